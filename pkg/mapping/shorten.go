package mapping

import (
	"slices"
	"strconv"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

const (
	// noteBytes is room for the properties that tell of the shortening.
	noteBytes = len(`,"$ai_content_truncated":true,"$ai_content_original_bytes":9999999999,` +
		`"hogcast_metadata_left_out":9999999999`)
	// smallValue is the size from which a native property beside the content
	// is cut when nothing else helps.
	smallValue = 4 << 10
	cutMessage = `{"role":"user","content":"` + rawjson.Truncated + `"}`
	cutValue   = `"` + rawjson.Truncated + `"`
)

// shorten returns the closed properties made at least save bytes shorter. What
// is cut, in this order: the input's messages from the oldest on, the system
// message and then the newest last; the output; large native properties; and,
// only where even that is not enough, metadata.
func (p *properties) shorten(save int) []byte {
	original := len(p.out)
	save += noteBytes
	input, output := p.part(p.input), p.part(p.output)
	before := len(input) + len(output)
	in, out := shortenContent(input, output, save)
	save -= before - len(in) - len(out)

	rest := p.out[:len(p.out)-1] // what stands before the content, unclosed
	if from := p.contentFrom(); from > 0 {
		rest = p.out[:from]
	}
	leftOut := 0
	if save > 0 {
		rest, leftOut = shortenRest(rest, save)
	}
	q := properties{out: append(make([]byte, 0, len(rest)+len(in)+len(out)+noteBytes), rest...)}
	q.flag("$ai_content_truncated")
	q.key("$ai_content_original_bytes")
	q.out = strconv.AppendInt(q.out, int64(original), 10)
	if leftOut > 0 {
		q.key("hogcast_metadata_left_out")
		q.out = strconv.AppendInt(q.out, int64(leftOut), 10)
	}
	q.raw("$ai_input", in)
	q.raw("$ai_output_choices", out)
	return q.close()
}

func (p *properties) part(s span) []byte {
	if s.to == 0 {
		return nil
	}
	return p.out[s.from:s.to]
}

// contentFrom is where the content's first member begins, its comma included;
// 0 where there is none.
func (p *properties) contentFrom() int {
	switch {
	case p.input.to > 0:
		return p.input.from - len(`,"$ai_input":`)
	case p.output.to > 0:
		return p.output.from - len(`,"$ai_output_choices":`)
	}
	return 0
}

// shortenContent makes input and output together save bytes shorter, or as
// short as they can be.
func shortenContent(input, output []byte, save int) (in, out []byte) {
	in, saved := shortenMessages(input, save, inputOrder)
	if save -= saved; save <= 0 {
		return in, output
	}
	out, _ = shortenMessages(output, save, outputOrder)
	return in, out
}

// shortenMessages cuts the messages of an array in the order that order gives,
// until save bytes are saved; then, where the mere number of messages is too
// much, whole messages, a marker in their place.
func shortenMessages(array []byte, save int, order func([][]byte) []int) (out []byte, saved int) {
	if array == nil {
		return nil, 0
	}
	messages := slices.Collect(rawjson.Array(array))
	sequence := order(messages)
	left := save
	for _, i := range sequence {
		if left <= 0 {
			break
		}
		cut := cutContent(messages[i], left)
		left -= len(messages[i]) - len(cut)
		messages[i] = cut
	}
	if left > 0 {
		messages = leaveOut(messages, sequence, left)
	}
	out = join(messages)
	return out, len(array) - len(out)
}

// inputOrder: the oldest first; the system message and then the newest last.
func inputOrder(messages [][]byte) []int {
	order := make([]int, 0, len(messages))
	system := -1
	last := len(messages) - 1
	for i := range messages {
		switch {
		case system < 0 && i < last && isSystem(messages[i]):
			system = i
		case i < last:
			order = append(order, i)
		}
	}
	if system >= 0 {
		order = append(order, system)
	}
	if last >= 0 {
		order = append(order, last)
	}
	return order
}

func isSystem(message []byte) bool {
	if !rawjson.IsObject(message) {
		return false
	}
	role := rawjson.Member(message, "role")
	return rawjson.IsString(role) && (rawjson.KeyIs(role, "system") || rawjson.KeyIs(role, "developer"))
}

func outputOrder(messages [][]byte) []int {
	order := make([]int, len(messages))
	for i := range order {
		order[i] = i
	}
	return order
}

// cutContent returns a message about save bytes shorter: its longest strings
// are cut; where that is not enough, its role alone stays.
func cutContent(message []byte, save int) []byte {
	if cut, ok := rawjson.Shrink(nil, message, save); ok {
		return cut
	}
	role := []byte(`"user"`)
	if rawjson.IsObject(message) {
		if r := rawjson.Member(message, "role"); rawjson.IsString(r) && len(r) <= 32 {
			role = r
		}
	}
	cut := append([]byte(`{"role":`), role...)
	cut = append(cut, `,"content":`+cutValue+`}`...)
	if len(cut) >= len(message) {
		return message
	}
	return cut
}

// leaveOut drops whole messages, in order, one marker in place of the first.
func leaveOut(messages [][]byte, order []int, save int) [][]byte {
	gone := make(map[int]bool)
	save += len(cutMessage) + 1
	for _, i := range order {
		if save <= 0 {
			break
		}
		gone[i] = true
		save -= len(messages[i]) + 1
	}
	kept := make([][]byte, 0, len(messages)-len(gone)+1)
	marked := false
	for i, m := range messages {
		switch {
		case !gone[i]:
			kept = append(kept, m)
		case !marked:
			kept = append(kept, []byte(cutMessage))
			marked = true
		}
	}
	return kept
}

func join(elements [][]byte) []byte {
	out := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, e...)
	}
	return append(out, ']')
}

// shortenRest makes an unclosed object of properties save bytes shorter: large
// native values first, then the largest values of metadata, then metadata keys
// from the last on. It returns how many keys it left out.
func shortenRest(rest []byte, save int) (out []byte, leftOut int) {
	var members []member
	closed := append(slices.Clip(rest), '}')
	for key, value := range rawjson.Object(closed) {
		members = append(members, member{key, value})
	}
	save = cutValues(members, save, func(m member) bool { return !isMetadata(m.key) && len(m.value) > smallValue })
	save = cutValues(members, save, func(m member) bool { return isMetadata(m.key) && len(m.value) > len(cutValue) })
	for i := len(members) - 1; i >= 0 && save > 0; i-- {
		if isMetadata(members[i].key) {
			save -= len(members[i].key) + len(members[i].value) + 2
			members[i].key = nil
			leftOut++
		}
	}
	out = append(make([]byte, 0, len(rest)), '{')
	for _, m := range members {
		if m.key == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, m.key...), ':'), m.value...)
	}
	return out, leftOut
}

// cutValues cuts the values that are meant, the largest first, until save
// bytes are saved, and returns what is left to save.
func cutValues(members []member, save int, meant func(member) bool) int {
	var chosen []int
	for i, m := range members {
		if meant(m) {
			chosen = append(chosen, i)
		}
	}
	slices.SortStableFunc(chosen, func(a, b int) int { return len(members[b].value) - len(members[a].value) })
	for _, i := range chosen {
		if save <= 0 {
			break
		}
		cut, ok := rawjson.Shrink(nil, members[i].value, save)
		if !ok {
			cut = []byte(cutValue)
		}
		save -= len(members[i].value) - len(cut)
		members[i].value = cut
	}
	return save
}

func isMetadata(key []byte) bool {
	const prefix = `"metadata_`
	return len(key) > len(prefix) && string(key[:len(prefix)]) == prefix || string(key) == `"trace_name"`
}
