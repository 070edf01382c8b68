package privacy

import (
	"bytes"
	"regexp"
	"regexp/syntax"

	"github.com/hogcast/hogcast/pkg/destination"
)

// pattern is one thing to redact. find appends the matches in a text.
type pattern struct {
	name string
	find func(dst []span, text []byte, h hint) []span
}

// hint is what is known of a text beside itself.
type hint struct {
	key   []byte // that it stands under, quoted; nil: none
	inner bool   // it is what escapes within a string mean
	// digits are the groups of digits in it, where a pattern asks for them;
	// total is how many digits these are.
	digits []digitGroup
	total  int
}

func newPattern(p destination.Pattern) pattern {
	if p.Expr != "" {
		return pattern{p.Name, ownFinder(p.Expr)}
	}
	switch p.Name {
	case destination.PatternEmail:
		return pattern{p.Name, findEmails}
	case destination.PatternPhone:
		return pattern{p.Name, findPhones}
	case destination.PatternCard:
		return pattern{p.Name, findCards}
	case destination.PatternSecret:
		return pattern{p.Name, findSecrets}
	}
	return pattern{p.Name, findAll}
}

// findAll matches everything.
func findAll(dst []span, text []byte, _ hint) []span {
	return append(dst, span{from: 0, to: len(text)})
}

// ownFinder makes a finder of a regular expression. Go's are slow where they
// have to look at each byte, so a text that lacks what every match holds is
// passed over.
func ownFinder(expr string) func([]span, []byte, hint) []span {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return findAll
	}
	compiled, err := regexp.Compile(expr)
	if err != nil {
		return findAll
	}
	needs := required(parsed.Simplify())
	return func(dst []span, text []byte, _ hint) []span {
		if !needs.in(text) {
			return dst
		}
		for _, at := range compiled.FindAllIndex(text, -1) {
			if at[0] < at[1] {
				dst = append(dst, span{from: at[0], to: at[1]})
			}
		}
		return dst
	}
}

// needs are what a text must hold for an expression to match it.
type needs struct {
	literals [][]byte
	digit    bool // one of 0–9
}

func (n needs) in(text []byte) bool {
	for _, literal := range n.literals {
		if !bytes.Contains(text, literal) {
			return false
		}
	}
	return !n.digit || bytes.ContainsAny(text, "0123456789")
}

// required finds what every match holds.
func required(re *syntax.Regexp) (n needs) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			n.literals = [][]byte{[]byte(string(re.Rune))}
		}
	case syntax.OpCharClass:
		n.digit = len(re.Rune) > 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			n.digit = n.digit && re.Rune[i] >= '0' && re.Rune[i+1] <= '9'
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			more := required(sub)
			n.literals = append(n.literals, more.literals...)
			n.digit = n.digit || more.digit
		}
	default: // may match without any one thing
	}
	return n
}
