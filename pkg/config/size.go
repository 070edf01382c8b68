package config

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Size is a number of bytes, written `64MiB`, `480KB`, `1.5GiB` or as a plain
// number. KB, MB, GB, TB are powers of 1000; KiB (or Ki), … of 1024; case
// doesn't count. At most 2⁶³−1.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// String is the shortest exact form with a unit; UnmarshalText reads it back.
func (s Size) String() string {
	if s <= 0 {
		return strconv.FormatInt(int64(s), 10) + "B"
	}
	for _, u := range units {
		if int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "" // not reached: 1 divides all
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	bytes, err := parseSize(string(text))
	if err != nil {
		return fmt.Errorf("expected a size such as 64MiB but got %q: %w", text, err)
	}
	*s = Size(bytes)
	return nil
}

func parseSize(s string) (int64, error) {
	digits := strings.TrimLeft(s, "0123456789.")
	number, unit := s[:len(s)-len(digits)], strings.TrimSpace(digits)
	if len(number) > 32 {
		return 0, errors.New("too many digits")
	}
	n, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, errors.New("not a number of bytes")
	}
	factor, err := unitBytes(unit)
	if err != nil {
		return 0, err
	}
	n.Mul(n, new(big.Rat).SetInt64(factor))
	switch {
	case !n.IsInt():
		return 0, errors.New("not a whole number of bytes")
	case !n.Num().IsInt64():
		return 0, errors.New("too large")
	}
	return n.Num().Int64(), nil
}

func unitBytes(unit string) (int64, error) {
	if unit == "" {
		return 1, nil
	}
	for _, u := range units {
		if strings.EqualFold(unit, u.name) || len(u.name) == 3 && strings.EqualFold(unit, u.name[:2]) {
			return u.bytes, nil
		}
	}
	return 0, errors.New("the unit is not B, KB, MB, GB, TB, KiB, MiB, GiB or TiB")
}
