package privacy

import (
	"bytes"
	"slices"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

const (
	// maxLevels is how deep escapes are looked through: the string's own, those
	// of JSON within it (arguments of tool calls), and of JSON within that.
	maxLevels = 3
	// maxPasses: what is left of a text is searched again until nothing more is
	// found, since a marker may give its neighbours another meaning; so a second
	// application finds nothing. A text that still changes after so many passes
	// is redacted as a whole.
	maxPasses = 8
)

// span is a match: text[from:to] of the pattern of that place in the list.
type span struct{ from, to, pattern int }

// search edits one record. Its buffers are reused from string to string.
type search struct {
	*redactor
	tell   observer
	at     string // the field that is edited
	levels [maxLevels][]byte
	hits   []span
	found  []span
	digits []digitGroup
}

// token edits a string or a number; nil where nothing matches.
func (s *search) token(t rawjson.Token) []byte {
	if !rawjson.IsString(t.Raw) {
		return s.number(t)
	}
	h := hint{}
	if !t.IsKey {
		h.key = t.Key()
	}
	raw := t.Raw
	var edited []byte
	for range maxPasses {
		hits := s.find(raw[1:len(raw)-1], h)
		if len(hits) == 0 {
			return edited
		}
		s.report(t, hits)
		edited = s.replace(raw, hits)
		raw = edited
	}
	return s.whole(0)
}

// whole is the marker of a pattern, quoted.
func (s *search) whole(pattern int) []byte {
	return append(append([]byte{'"'}, marker(s.patterns[pattern].name)...), '"')
}

// number looks at a number's digits, as they stand and written out: a card is
// one in 4.111111111111111e15, too. A match replaces it whole.
func (s *search) number(t rawjson.Token) []byte {
	h := hint{key: t.Key()}
	digits := bytes.TrimPrefix(t.Raw, []byte("-"))
	hits := s.match(digits, h)
	if len(hits) == 0 {
		if plain := writtenOut(digits); plain != nil {
			hits = s.match(plain, h)
		}
	}
	if len(hits) == 0 {
		return nil
	}
	first := hits[0]
	for _, hit := range hits {
		first.pattern = min(first.pattern, hit.pattern)
	}
	s.report(t, []span{first})
	return s.whole(first.pattern)
}

// find returns what is to be replaced in a raw string, without its quotes, in
// order and disjoint. A match spans whole escapes, so that what is left is as
// well-formed as what came.
func (s *search) find(raw []byte, h hint) []span {
	if bytes.IndexByte(raw, '\\') < 0 {
		return s.match(raw, h)
	}
	s.found = s.found[:0]
	texts := [maxLevels + 1][]byte{raw}
	for level := range maxLevels {
		below := texts[level]
		if bytes.IndexByte(below, '\\') < 0 {
			break
		}
		s.levels[level] = unescape(s.levels[level][:0], below)
		texts[level+1] = s.levels[level]
		hits := s.match(texts[level+1], h)
		if len(hits) > 0 && bytes.IndexByte(texts[level+1], '\\') >= 0 {
			hits = merge(widen(texts[level+1], hits))
		}
		for down := level; down >= 0 && len(hits) > 0; down-- {
			locate(texts[down], hits)
		}
		s.found = append(s.found, hits...)
		h.inner = true
	}
	return merge(s.found)
}

// match returns the matches in a text, merged. A marker is one thing: what
// matches within it is left, what matches part of it takes it whole.
func (s *search) match(text []byte, h hint) []span {
	s.hits = s.hits[:0]
	if s.wantsDigits {
		s.digits, h.total = digitGroups(s.digits[:0], text)
		h.digits = s.digits
	}
	for i := range s.patterns {
		n := len(s.hits)
		s.hits = s.patterns[i].find(s.hits, text, h)
		for k := n; k < len(s.hits); k++ {
			s.hits[k].pattern = i
		}
	}
	if len(s.hits) == 0 {
		return nil
	}
	if bytes.Contains(text, []byte(markerStart)) {
		s.spare(text)
	}
	return merge(s.hits)
}

// spare settles matches that touch markers.
func (s *search) spare(text []byte) {
	markers := s.markersIn(text)
	if len(markers) == 0 {
		return
	}
	left := s.hits[:0]
	for _, hit := range s.hits {
		// The first marker that ends, and the first that begins, behind a place.
		first, _ := slices.BinarySearchFunc(markers, hit.from+1, func(m span, at int) int { return m.to - at })
		behind, _ := slices.BinarySearchFunc(markers, hit.to, func(m span, at int) int { return m.from - at })
		if first < behind {
			if hit.from >= markers[first].from && hit.to <= markers[first].to {
				continue
			}
			hit.from, hit.to = min(hit.from, markers[first].from), max(hit.to, markers[behind-1].to)
		}
		left = append(left, hit)
	}
	s.hits = left
}

// markersIn lists the markers in a text that are of these patterns.
func (s *search) markersIn(text []byte) (markers []span) {
	for i := 0; ; {
		n := bytes.Index(text[i:], []byte(markerStart))
		if n < 0 {
			return markers
		}
		i += n
		if end, name := markerAt(text, i); end > 0 && s.names[string(name)] {
			markers = append(markers, span{from: i, to: end})
			i = end
		} else {
			i++
		}
	}
}

// merge orders spans and joins those that overlap; the pattern that is listed
// first gives its name.
func merge(spans []span) []span {
	if len(spans) < 2 {
		return spans
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	merged := spans[:1]
	for _, next := range spans[1:] {
		last := &merged[len(merged)-1]
		if next.from >= last.to {
			merged = append(merged, next)
			continue
		}
		last.to = max(last.to, next.to)
		last.pattern = min(last.pattern, next.pattern)
	}
	return merged
}

// replace writes a quoted string with markers in place of the spans of its
// inside.
func (s *search) replace(raw []byte, hits []span) []byte {
	out := make([]byte, 0, len(raw)+len(hits)*(len(markerStart)+maxMarkerName))
	at := 0
	for _, hit := range hits {
		out = append(out, raw[at:hit.from+1]...) // the opening quote is a byte
		out = append(out, marker(s.patterns[hit.pattern].name)...)
		at = hit.to + 1
	}
	return append(out, raw[at:]...)
}
