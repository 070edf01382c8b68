package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
)

// What a v1 batch says of each event. Within a string these bytes would carry
// backslashes, so that a search finds members alone; no record of ours has
// members of these names.
var (
	memberUUID       = []byte(`"uuid":"`)
	memberDistinctID = []byte(`"distinct_id":"`)
)

const uuidBytes = 36

var errUnreadable = errors.New("not a batch of this harness's events")

// batch is what a scan finds: the n-th sighting belongs to the n-th uuid.
type batch struct {
	uuids     [][]byte // parts of the body
	sightings []sighting
}

// scan finds the events of a v1 batch without decoding it.
func (b *batch) scan(body []byte) error {
	b.uuids, b.sightings = b.uuids[:0], b.sightings[:0]
	err := eachMember(body, memberUUID, func(v []byte) error {
		half, err := uuidHalf(v)
		b.uuids = append(b.uuids, v)
		b.sightings = append(b.sightings, sighting{uuid: half})
		return err
	})
	if err != nil {
		return err
	}
	next := 0
	err = eachMember(body, memberDistinctID, func(v []byte) error {
		if next == len(b.sightings) || len(v) < 2 || v[0] != 'u' {
			return errUnreadable
		}
		n, err := strconv.Atoi(string(v[1:]))
		b.sightings[next].number = n
		next++
		return err
	})
	if err == nil && (next == 0 || next != len(b.sightings)) {
		err = errUnreadable
	}
	return err
}

func eachMember(body, member []byte, visit func(value []byte) error) error {
	for {
		at := bytes.Index(body, member)
		if at < 0 {
			return nil
		}
		body = body[at+len(member):]
		end := bytes.IndexByte(body, '"')
		if end < 0 {
			return errUnreadable
		}
		if err := visit(body[:end]); err != nil {
			return err
		}
		body = body[end:]
	}
}

// uuidHalf reads the first 16 hexadecimal digits of a uuid as a number.
func uuidHalf(v []byte) (uint64, error) {
	if len(v) != uuidBytes {
		return 0, errUnreadable
	}
	var digits [16]byte
	copy(digits[:8], v[0:8])
	copy(digits[8:12], v[9:13])
	copy(digits[12:16], v[14:18])
	var half [8]byte
	if _, err := hex.Decode(half[:], digits[:]); err != nil {
		return 0, errUnreadable
	}
	n := uint64(0)
	for _, c := range half {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// appendResults is v1's answer that takes all of a batch.
func (b *batch) appendResults(dst []byte) []byte {
	dst = append(dst, `{"results":{`...)
	for i, id := range b.uuids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, id...)
		dst = append(dst, `":{"result":"ok"}`...)
	}
	return append(dst, "}}"...)
}
