package envelope

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// EncodingZstd marks a body that Fit has compressed.
const EncodingZstd = "zstd"

// maxInflated bounds what Record inflates: no record is larger than the
// largest max_payload that a NATS server takes.
const maxInflated = 64 << 20

var encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
})

var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxInflated), zstd.WithDecoderConcurrency(1))
})

// Fit makes the envelope fit into a message of maxPayload bytes: as it is,
// else compressed, else without its body. It reports whether the body is
// still there.
func (e *Envelope) Fit(maxPayload int) bool {
	room := maxPayload - MaxAdded
	if len(e.Body) <= room {
		return true
	}
	if enc, err := encoder(); err == nil && e.Encoding == "" {
		if packed := enc.EncodeAll(e.Body, nil); len(packed) <= room {
			e.Body, e.Encoding = packed, EncodingZstd
			return true
		}
	}
	e.Withhold()
	return false
}

// Record returns the record's own bytes.
func (e *Envelope) Record() ([]byte, error) {
	switch e.Encoding {
	case "":
		return e.Body, nil
	case EncodingZstd:
		dec, err := decoder()
		if err != nil {
			return nil, fmt.Errorf("inflating record: %w", err)
		}
		raw, err := dec.DecodeAll(e.Body, nil)
		if err != nil {
			return nil, fmt.Errorf("inflating record: %w", err)
		}
		return raw, nil
	}
	return nil, fmt.Errorf("%s: %q is not known to this build", HeaderEncoding, e.Encoding)
}
