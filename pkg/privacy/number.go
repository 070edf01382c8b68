package privacy

import (
	"bytes"
	"math"
	"strconv"
)

// writtenOut returns the digits of a whole number that is written with a
// fraction or an exponent; nil of any other.
func writtenOut(number []byte) []byte {
	if !bytes.ContainsAny(number, ".eE") {
		return nil
	}
	const most = 1e20
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || f >= most || f != math.Trunc(f) {
		return nil
	}
	return strconv.AppendFloat(nil, f, 'f', 0, 64)
}
