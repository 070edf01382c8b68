package destination

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Rules are the privacy rules of a destination beyond Privacy Mode; all are
// off in the zero value. Package privacy applies them.
type Rules struct {
	// Metadata chooses the keys of `trace` that are kept, compared exactly.
	// Allow need not name the reserved ones (trace_id, trace_name,
	// generation_name); Deny drops even those.
	Metadata MetadataFilter
	// UserHashKey, if set, is the key with which the end user's id is replaced
	// by its HMAC-SHA-256.
	UserHashKey Secret
	// Redact are the patterns whose matches in content and metadata become
	// `[redacted:<name>]`, tried in this order.
	Redact []Pattern
}

// MetadataFilter chooses metadata keys: an empty Allow allows all, Deny wins.
type MetadataFilter struct {
	Allow []string
	Deny  []string
}

// Empty reports that every key is kept.
func (f MetadataFilter) Empty() bool { return len(f.Allow) == 0 && len(f.Deny) == 0 }

// Pattern is one thing to redact: a built-in one, of which Expr is empty, or a
// regular expression of one's own (RE2).
type Pattern struct {
	Name string // `[a-z0-9][a-z0-9_-]{0,31}`
	Expr string
}

// The built-in patterns.
const (
	PatternEmail  = "email"
	PatternPhone  = "phone"
	PatternCard   = "card"   // payment cards, with the Luhn check
	PatternSecret = "secret" // tokens and keys by their looks
)

// BuiltInPatterns lists the built-in patterns' names.
func BuiltInPatterns() []string {
	return []string{PatternEmail, PatternPhone, PatternCard, PatternSecret}
}

// Limits of privacy rules.
const (
	MaxPatterns     = 32
	MaxPatternBytes = 1024
	// MaxPatternSize is how many instructions a pattern may come to: searching
	// a text takes time in proportion, and `x{1000}` is 1000 of them.
	MaxPatternSize   = 1000
	MaxMetadataKeys  = 1000
	MinUserHashBytes = 16 // a shorter key can be guessed
)

// Empty reports that no rule is set.
func (r Rules) Empty() bool {
	return r.Metadata.Empty() && r.UserHashKey.Empty() && len(r.Redact) == 0
}

// Private reports whether any privacy rule, Privacy Mode among them, is set:
// then answers are not quoted, and what can't be read is not kept.
func (d *Destination) Private() bool { return d.PrivacyMode || !d.Privacy.Empty() }

func (r Rules) validate() (errs []error) {
	if n := len(r.Metadata.Allow) + len(r.Metadata.Deny); n > MaxMetadataKeys {
		errs = append(errs, fmt.Errorf("privacy.metadata: %d keys; at most %d", n, MaxMetadataKeys))
	}
	if key := r.UserHashKey; !key.Empty() && len(key.Reveal()) < MinUserHashBytes {
		errs = append(errs, fmt.Errorf("privacy.user_hash_key: fewer than %d bytes can be guessed", MinUserHashBytes))
	}
	if len(r.Redact) > MaxPatterns {
		errs = append(errs, fmt.Errorf("privacy.redact: %d patterns; at most %d", len(r.Redact), MaxPatterns))
	}
	seen := map[string]bool{}
	for _, p := range r.Redact {
		if seen[p.Name] {
			errs = append(errs, fmt.Errorf("privacy.redact: %q is given twice", p.Name))
		}
		seen[p.Name] = true
		if err := p.check(); err != nil {
			errs = append(errs, fmt.Errorf("privacy.redact: %w", err))
		}
	}
	return errs
}

// check judges one pattern. What a regular expression holds may itself be
// private, so errors name the pattern and the fault alone.
func (p Pattern) check() error {
	builtIn := slices.Contains(BuiltInPatterns(), p.Name)
	switch {
	case !patternName.MatchString(p.Name):
		return fmt.Errorf("name %.40q is not made of a–z, 0–9, _ and -, at most 32 of them", p.Name)
	case p.Expr == "" && !builtIn:
		return fmt.Errorf("%q is none of the built-in %s; give a name and a pattern for one of your own",
			p.Name, strings.Join(BuiltInPatterns(), ", "))
	case p.Expr != "" && builtIn:
		return fmt.Errorf("%q is built in; give your own pattern another name", p.Name)
	case len(p.Expr) > MaxPatternBytes:
		return fmt.Errorf("%q: the pattern has %d bytes; at most %d", p.Name, len(p.Expr), MaxPatternBytes)
	case p.Expr == "":
		return nil
	}
	expr, err := regexp.Compile(p.Expr)
	if err != nil {
		return fmt.Errorf("%q: not a regular expression of RE2: %w", p.Name, errors.New(fault(err)))
	}
	if n := instructions(p.Expr); n > MaxPatternSize {
		return fmt.Errorf("%q: the pattern comes to %d instructions; at most %d: lower its repeat counts", p.Name, n, MaxPatternSize)
	}
	if expr.MatchString("") {
		return fmt.Errorf("%q: the pattern matches the empty string, and so everywhere", p.Name)
	}
	return nil
}

// instructions is how long the program of an expression is.
func instructions(expr string) int {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return 0
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	return len(program.Inst)
}

var patternName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// fault is what is wrong with an expression, without the expression.
func fault(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	before, _, _ := strings.Cut(text, ":")
	return before
}
