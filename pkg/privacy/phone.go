package privacy

import (
	"bytes"
	"slices"
)

// Digits of a telephone number.
const (
	minPhone = 7
	maxPhone = 15 // E.164
)

// findPhones finds telephone numbers: international ones, and national ones in
// the forms in which they are commonly written. A bare run of digits is one
// only behind a word such as phone, under such a key, or alone in its string:
// otherwise each order number would be one.
func findPhones(dst []span, text []byte, h hint) []span {
	if h.total < minPhone {
		return dst
	}
	if from, to := wholePhone(text, h); to > 0 {
		return append(dst, span{from: from, to: to})
	}
	var g groups
	done := 0
	for _, group := range h.digits {
		if group.from < done {
			continue
		}
		if from, end := phoneAt(&g, text, group.from, h); end > 0 {
			dst = append(dst, span{from: from, to: end})
			done = end
		}
	}
	return dst
}

// phoneAt returns the number whose first digit is text[i]; end is 0 where none
// begins there.
func phoneAt(g *groups, text []byte, i int, h hint) (from, end int) {
	from = i
	plus := i > 0 && text[i-1] == '+'
	paren := !plus && i > 0 && text[i-1] == '('
	if plus || paren {
		from--
	}
	if !phoneBoundary(text, from, plus) || !plus && !paren && isLone(text, i) && !mayAnnounce(text, from, h) {
		return 0, 0
	}
	readGroups(g, text, i, maxPhone, phoneSeparator)
	var n int
	switch {
	case plus:
		n = internationalPhone(g, text)
	case isDate(g, text):
		return 0, 0
	default:
		if n = nationalPhone(g, text, paren); n > 0 {
			break
		}
		if n, _ = g.longest(minPhone, maxPhone); n > 0 && !phoneWord(text, from, h) {
			n = 0
		}
	}
	if n == 0 || inUUID(text, i) {
		return 0, 0
	}
	return from, g.at[n-1].to
}

// isLone: one digit, and not the 1 before an area's code.
func isLone(text []byte, i int) bool {
	const area = len("1 (415")
	return (i+1 == len(text) || !isDigit(text[i+1])) && (text[i] != '1' || countDigits(text[i:min(len(text), i+area)]) < 4)
}

func countDigits(text []byte) (n int) {
	for _, c := range text {
		if isDigit(c) {
			n++
		}
	}
	return n
}

// mayAnnounce: there are letters near before a number, or it stands under a
// phone's key.
func mayAnnounce(text []byte, from int, h hint) bool {
	return slices.ContainsFunc(text[max(0, from-nearPhone):from], isLetter) || !h.inner && phoneKey(h.key)
}

// phoneBoundary: numbers that are part of a name, a path, an amount or a longer
// number are none.
func phoneBoundary(text []byte, from int, plus bool) bool {
	if wordBefore(text, from) {
		return false
	}
	if from == 0 || plus {
		return true
	}
	switch c := text[from-1]; c {
	case '-', '/', '#', '$', '%', '+', '@', '\\':
		return false
	case '.', ',':
		return from == 1 || !isDigit(text[from-2])
	default:
		return !bytes.HasSuffix(text[:from], []byte("€")) && !bytes.HasSuffix(text[:from], []byte("£"))
	}
}

// phoneSeparator: up to three of space, dash, point, slash and parenthesis.
func phoneSeparator(text []byte, i int) int {
	from := i
	for range 3 {
		if i >= len(text) {
			break
		}
		c := text[i]
		if c == '.' || c == '/' || c == '(' || c == ')' {
			i++
			continue
		}
		size := max(spaceAt(text, i), dashAt(text, i))
		if size == 0 {
			break
		}
		i += size
	}
	return i - from
}

// internationalPhone judges what stands behind a plus: a country's code, which
// begins with no 0, and 8 to 15 digits in all.
func internationalPhone(g *groups, text []byte) int {
	if text[g.at[0].from] == '0' {
		return 0
	}
	n, _ := g.longest(8, maxPhone)
	return endsWell(g, text, n)
}

// nationalPhone returns how many of the groups are a number written as such.
func nationalPhone(g *groups, text []byte, paren bool) int {
	first := text[g.at[0].from:g.at[0].to]
	closed := paren && g.n > 1 && g.between(text, 0)[0] == ')'
	switch {
	case paren && !closed:
		return 0
	case closed:
		return endsWell(g, text, areaPhone(g, first))
	case first[0] == '0' && len(first) > 1 && first[1] == '0':
		return endsWell(g, text, exitPhone(g, first))
	case first[0] == '0':
		return endsWell(g, text, trunkPhone(g, text, first))
	case first[0] == '1' && len(first) == 1:
		if g.sizes(1, 3, 3, 4) && text[g.at[1].from] >= '2' {
			return endsWell(g, text, 4)
		}
	case first[0] == '1' && first[min(1, len(first)-1)] >= '3' && g.sizes(0, 3, 4, 4): // China's mobiles
		return endsWell(g, text, 3)
	case first[0] >= '2' && g.sizes(0, 3, 3, 4): // North America's, and many others
		return endsWell(g, text, 3)
	}
	return 0
}

// areaPhone: (area) and a number. A year in parentheses is none.
func areaPhone(g *groups, first []byte) int {
	year := len(first) == 4 && (string(first[:2]) == "19" || string(first[:2]) == "20")
	if len(first) < 2 || len(first) > 5 || year {
		return 0
	}
	n, _ := g.longest(9, 12)
	if n < 2 {
		return 0
	}
	return n
}

// exitPhone: 00, a country's code and a number.
func exitPhone(g *groups, first []byte) int {
	if len(first) > 2 && first[2] == '0' {
		return 0
	}
	n, digits := g.longest(11, maxPhone)
	if n == 0 || digits < 12 && n == 1 {
		return 0
	}
	return n
}

// trunkPhone: 0, an area's code and a number, 9 to 12 digits in all; without a
// separator 10 or 11. Two groups about a point are a decimal.
func trunkPhone(g *groups, text, first []byte) int {
	n, digits := g.longest(9, 12)
	switch {
	case len(first) < 2 || n == 0:
		return 0
	case n == 1 && (digits < 10 || digits > 11):
		return 0
	case n == 2 && string(g.between(text, 0)) == ".":
		return 0
	case n > 1 && len(first) > 6:
		return 0
	}
	return n
}

// endsWell passes n on unless the number goes on in a way that no phone number
// does.
func endsWell(g *groups, text []byte, n int) int {
	if n == 0 {
		return 0
	}
	end := g.at[n-1].to
	if wordAfter(text, end) {
		return 0
	}
	if end+1 < len(text) && isAlnum(text[end+1]) {
		switch text[end] {
		case '-', '.', '/', ':', '@':
			return 0
		}
	}
	return n
}

// isDate: year, month and day in either order.
func isDate(g *groups, text []byte) bool {
	if g.n < 3 {
		return false
	}
	a, b, c := g.at[0].len(), g.at[1].len(), g.at[2].len()
	separator := g.between(text, 0)
	if string(separator) != string(g.between(text, 1)) || string(separator) == " " {
		return false
	}
	return a == 4 && b <= 2 && c <= 2 || a <= 2 && b <= 2 && c == 4
}

// nearPhone is how far before a number a word may announce it, in bytes.
const nearPhone = 28

// phoneWord reports whether a number is announced: by a word that stands near
// before it, or by its key.
func phoneWord(text []byte, from int, h hint) bool {
	if !h.inner && phoneKey(h.key) {
		return true
	}
	if !mayAnnounce(text, from, h) {
		return false
	}
	before := text[max(0, from-nearPhone):from]
	if n := bytes.LastIndexAny(before, "\n;"); n >= 0 {
		before = before[n+1:]
	}
	if len(before) == nearPhone && from > nearPhone && inWord(text[from-nearPhone-1]) { // half a word
		for len(before) > 0 && inWord(before[0]) {
			before = before[1:]
		}
	}
	var last, room [nearPhone]byte
	previous := last[:0]
	for len(before) > 0 {
		n := 0
		for n < len(before) && inWord(before[n]) {
			n++
		}
		if n > 0 {
			word := plainName(room[:0], before[:n])
			if announces(previous, word, before[n:]) {
				return true
			}
			previous = append(last[:0], word...)
			before = before[n:]
		} else {
			before = before[1:]
		}
	}
	return false
}

func inWord(c byte) bool { return isAlnum(c) || c == '_' || c >= 0x80 }

// announces reports whether a word, in lower case, announces a phone number.
func announces(previous, word, rest []byte) bool {
	switch string(word) {
	case "phone", "telephone", "cellphone", "smartphone", "tel", "telefon", "téléphone", "teléfono", "telefono",
		"mobile", "mobil", "handy", "fax", "whatsapp", "msisdn", "sms", "dial":
		return true
	case "cell":
		return string(previous) == "my" || bytes.HasPrefix(rest, []byte(":")) || bytes.HasPrefix(rest, []byte(" number"))
	case "me", "us", "him", "her":
		switch string(previous) {
		case "call", "ring", "text", "reach":
			return true
		}
	}
	return false
}

var phoneKeys = []string{"tel", "fax", "cell", "telefon", "faxnumber", "telnumber", "contact", "contactnumber", "contactno"}

func phoneKey(key []byte) bool {
	if len(key) < len(`"tel"`) {
		return false
	}
	var room [64]byte
	name := plainName(room[:0], inside(key))
	for _, word := range []string{"phone", "mobile", "msisdn", "whatsapp", "cellnumber"} {
		if bytes.Contains(name, []byte(word)) {
			return true
		}
	}
	return slices.Contains(phoneKeys, string(name))
}

// wholePhone judges a text that is nothing but digits: ten as North America has
// them, perhaps behind a 1; under a key of a phone any; under one that speaks of
// an id or a time none.
func wholePhone(text []byte, h hint) (from, to int) {
	to = len(text)
	for from < to && text[from] == ' ' {
		from++
	}
	for from < to && text[to-1] == ' ' {
		to--
	}
	digits := text[from:to]
	if h.inner || len(digits) < minPhone || len(digits) > maxPhone || h.digits[0].len() != len(digits) {
		return 0, 0
	}
	if phoneKey(h.key) {
		return from, to
	}
	if len(digits) == 11 && digits[0] == '1' {
		digits = digits[1:]
	}
	if len(digits) != 10 || digits[0] < '2' || digits[3] < '2' || string(digits[1:3]) == "11" || otherKey(h.key) {
		return 0, 0
	}
	return from, to
}

// otherKey: under such a key digits are something else.
func otherKey(key []byte) bool {
	if key == nil {
		return false
	}
	var room [64]byte
	name := plainName(room[:0], inside(key))
	for _, end := range []string{
		"id", "ids", "at", "ts", "time", "timestamp", "date", "count", "total", "size", "bytes", "tokens", "ms", "ns", "us",
		"seed", "index", "version", "hash", "code", "sum", "amount", "price", "cost", "score", "order", "number", "no", "ref", "key", "port",
	} {
		if bytes.HasSuffix(name, []byte(end)) {
			return true
		}
	}
	return false
}
