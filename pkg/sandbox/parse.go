package sandbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxScript bounds a script: a count with one digit too many is a slip.
const maxScript = 100_000

// ParseScript reads a script, for a command's flag: faults with commas between
// them, each as ParseFault reads it, its word with a count where it is to be
// played several times. A body can't have a comma here.
//
//	503x3,hang=5s,ok,429:retry-after=2s
//	resetx2,verdict=retry:every=3
func ParseScript(text string) ([]Fault, error) {
	var script []Fault
	for entry := range strings.SplitSeq(text, ",") {
		fault, count, err := parseEntry(entry)
		if err != nil {
			return nil, err
		}
		if count > maxScript-len(script) {
			return nil, fmt.Errorf("fault %q: a script has at most %d faults", entry, maxScript)
		}
		script = append(script, fault.Times(count)...)
	}
	return script, nil
}

// ParseFault reads one fault: a word, then options, with spaces or colons
// between them.
//
//	ok                        normal service
//	latency=200ms             normal service, later
//	503                       a status, 200 to 599
//	hang  hang=5s             no answer
//	reset                     before the body is read; with take: after it
//	reset-body                in the middle of the answer
//	verdict=drop              v1's result: ok, warning, drop, retry or any word
//	no-verdict                v1's result is left out
//
// Options: retry-after=2s (or 2), latency=1s, take; of verdicts: details=WORD,
// every=3, first=2, uuid=A+B; of a status: type=text/html, and, last because
// they go to the end of the text, location=URL or body=TEXT.
func ParseFault(text string) (Fault, error) {
	fault, count, err := parseEntry(text)
	if err == nil && count != 1 {
		err = fmt.Errorf("fault %q: a count belongs into a script", text)
	}
	if err != nil {
		return Fault{}, err
	}
	return fault, nil
}

func parseEntry(entry string) (Fault, int, error) {
	word, rest := cutPart(strings.TrimSpace(entry))
	fault, count, err := parseWord(word)
	for err == nil && rest != "" {
		var part string
		if part, rest = cutPart(rest); part != "" {
			err = fault.option(part)
		}
	}
	if err == nil {
		err = fault.check()
	}
	if err != nil {
		return Fault{}, 0, fmt.Errorf("fault %q: %w", entry, err)
	}
	return fault, count, nil
}

// cutPart takes the first part off; location and body go to the end.
func cutPart(text string) (part, rest string) {
	if strings.HasPrefix(text, "location=") || strings.HasPrefix(text, "body=") {
		return text, ""
	}
	if i := strings.IndexAny(text, " :"); i >= 0 {
		return text[:i], text[i+1:]
	}
	return text, ""
}

func parseWord(part string) (Fault, int, error) {
	word, arg, hasArg := strings.Cut(part, "=")
	count := 1
	if i := strings.LastIndexByte(word, 'x'); i > 0 {
		n, err := strconv.Atoi(word[i+1:])
		if err != nil || n < 1 {
			return Fault{}, 0, fmt.Errorf("%q is no count", word[i+1:])
		}
		word, count = word[:i], n
	}
	if takesArgument := word == "latency" || word == "hang" || word == "verdict"; hasArg && !takesArgument {
		return Fault{}, 0, fmt.Errorf("%s takes no argument", word)
	}
	fault, err := makeFault(word, arg)
	return fault, count, err
}

func makeFault(word, arg string) (Fault, error) {
	switch word {
	case "ok":
		return OK(), nil
	case "latency":
		d, err := parseDuration(arg)
		return Latency(d), err
	case "hang":
		if arg == "" {
			return Hang(), nil
		}
		d, err := parseDuration(arg)
		return HangFor(d), err
	case "reset":
		return Reset(), nil
	case "reset-body":
		return ResetBody(), nil
	case "verdict":
		if arg == "" {
			return Fault{}, errors.New("verdict needs a result, such as verdict=drop")
		}
		return Verdict(arg, ""), nil
	case "no-verdict":
		return NoVerdict(), nil
	}
	code, err := strconv.Atoi(word)
	if err != nil {
		return Fault{}, fmt.Errorf("%q is neither a status nor one of ok, latency, hang, reset, reset-body, verdict, no-verdict", word)
	}
	if code < 200 || code > 599 {
		return Fault{}, fmt.Errorf("status %d is not within 200 to 599", code)
	}
	return Status(code), nil
}

func (f *Fault) option(part string) error {
	name, value, _ := strings.Cut(part, "=")
	var err error
	switch name {
	case "take":
		*f = f.Take()
	case "latency":
		f.delay, err = parseDuration(value)
	case "retry-after":
		var d time.Duration
		d, err = parseSeconds(value)
		*f = f.RetryAfter(d)
	case "details":
		f.details = value
	case "every":
		f.pick.every, err = parseCount(value)
	case "first":
		f.pick.first, err = parseCount(value)
	case "uuid":
		f.pick.uuids = strings.Split(value, "+")
	case "type":
		f.typ = value
	case "body":
		f.body = value
	case "location":
		*f = f.Header("Location", value)
	default:
		err = errors.New("no such option; there are take, latency, retry-after, details, every, first, uuid, type, body, location")
	}
	if err != nil {
		return fmt.Errorf("option %q: %w", part, err)
	}
	return nil
}

// check finds options that don't go with the word.
func (f *Fault) check() error {
	picks := len(f.pick.uuids) > 0 || f.pick.every > 0 || f.pick.first > 0
	switch {
	case f.details != "" && f.kind != kindVerdict:
		return errors.New("details goes with verdict only")
	case picks && f.kind != kindVerdict && f.kind != kindSilent:
		return errors.New("every, first and uuid go with verdict and no-verdict only")
	case (f.typ != "" || f.body != "") && f.kind != kindStatus:
		return errors.New("type and body go with a status only")
	case f.body != "" && f.typ == "":
		f.typ = typeText
	}
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no duration, such as 200ms or 5s", text)
	}
	return d, nil
}

// parseSeconds takes a duration, or a number of seconds.
func parseSeconds(text string) (time.Duration, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, nil
	}
	return parseDuration(text)
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no count", text)
	}
	return n, nil
}
