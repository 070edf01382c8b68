package privacy

import (
	"bytes"
	"encoding/base64"
	"math"
)

// findSecrets finds tokens, keys and passwords by their looks: the forms that
// providers give them, what stands behind Bearer or api_key=, PEM private keys,
// passwords in URLs, and long random-looking words.
func findSecrets(dst []span, text []byte, h hint) []span {
	if !h.inner && isPassword(text) && (secretKey(h.key) || tokenKey(h.key) && holdsToken(text)) {
		return append(dst, span{from: 0, to: len(text)})
	}
	dst = findTokens(dst, text)
	dst = findPEM(dst, text)
	dst = findBearers(dst, text)
	dst = findAssigned(dst, text, '=')
	dst = findAssigned(dst, text, ':')
	return findUserInfo(dst, text)
}

// shortestToken is the length from which a word is looked at.
const shortestToken = 16

// inToken: the bytes of tokens in all their forms.
var inToken = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/=") {
		table[c] = true
	}
	return table
}()

// findTokens looks at each long word. One of 16 bytes holds a place whose
// index is one less than a multiple of 16, so the others need not be looked at.
func findTokens(dst []span, text []byte) []span {
	for i := shortestToken - 1; i < len(text); {
		if !inToken[text[i]] {
			i += shortestToken
			continue
		}
		from, to := i, i+1
		for from > 0 && inToken[text[from-1]] {
			from--
		}
		for to < len(text) && inToken[text[to]] {
			to++
		}
		if to-from >= shortestToken {
			dst = tokensIn(dst, text, from, to)
		}
		i = max(i, to) + shortestToken
	}
	return dst
}

// tokensIn looks for tokens in a long word, at each of its parts.
func tokensIn(dst []span, text []byte, from, to int) []span {
	for i := from; i < to; {
		if i > from && isAlnum(text[i-1]) || !isAlnum(text[i]) {
			i++
			continue
		}
		if end := knownToken(text[i:to]); end > 0 {
			dst = append(dst, span{from: i, to: i + end})
			i += end
			continue
		}
		i++
	}
	return randomIn(dst, text, from, to)
}

// form is how a provider's tokens begin, and the least of what follows.
type form struct {
	prefix string
	least  int
}

// forms by their first byte.
var forms = func() (table [128][]form) {
	for _, f := range []form{
		{"sk-", 20},
		{"sk_live_", 10},
		{"sk_test_", 10},
		{"rk_live_", 10},
		{"rk_test_", 10},
		{"whsec_", 16},
		{"AKIA", 16},
		{"ASIA", 16},
		{"AIza", 30},
		{"ya29.", 20},
		{"GOCSPX-", 16},
		{"ghp_", 16},
		{"gho_", 16},
		{"ghu_", 16},
		{"ghs_", 16},
		{"ghr_", 16},
		{"github_pat_", 16},
		{"glpat-", 16},
		{"xoxb-", 10},
		{"xoxp-", 10},
		{"xoxa-", 10},
		{"xoxr-", 10},
		{"xoxs-", 10},
		{"xoxe-", 10},
		{"xoxc-", 10},
		{"xoxd-", 10},
		{"xapp-", 10},
		{"phc_", 10},
		{"phx_", 10},
		{"phs_", 10},
		{"hf_", 20},
		{"npm_", 30},
		{"pypi-", 20},
		{"dckr_pat_", 20},
		{"dop_v1_", 30},
		{"shpat_", 20},
		{"shpss_", 20},
		{"SG.", 30},
		{"gsk_", 20},
		{"r8_", 30},
		{"pplx-", 20},
		{"xai-", 20},
		{"nvapi-", 20},
		{"tvly-", 16},
		{"glsa_", 20},
		{"lin_api_", 20},
		{"sbp_", 30},
		{"ATATT3", 20},
		{"PMAK-", 20},
		{"AGE-SECRET-KEY-", 20},
	} {
		table[f.prefix[0]] = append(table[f.prefix[0]], f)
	}
	return table
}()

// knownToken returns the length of the token of a known form with which a word
// begins; 0 where it begins with none.
func knownToken(word []byte) int {
	if bytes.HasPrefix(word, []byte("eyJ")) {
		return jwt(word)
	}
	for _, f := range forms[word[0]&0x7f] {
		if !bytes.HasPrefix(word, []byte(f.prefix)) {
			continue
		}
		end := len(f.prefix)
		for end < len(word) && (isAlnum(word[end]) || word[end] == '-' || word[end] == '_' || word[end] == '.' && end+1 < len(word) && isAlnum(word[end+1])) {
			end++
			if end == maxLook && !drawn(word[len(f.prefix):end]) {
				return 0
			}
		}
		if tail := word[len(f.prefix):end]; len(tail) >= f.least && drawn(tail) {
			return end
		}
	}
	return 0
}

// maxLook is how far something is looked at that does not look like a secret:
// where each place of a long text might begin one, looking on to its end would
// take the square of the time.
const maxLook = 128

// drawn reports whether something looks drawn rather than written: it has a
// digit, or a part of sixteen letters.
func drawn(tail []byte) bool {
	part := 0
	for _, c := range tail {
		switch {
		case isDigit(c):
			return true
		case isLetter(c):
			if part++; part >= 16 {
				return true
			}
		default:
			part = 0
		}
	}
	return false
}

// jwt returns the length of a JSON Web Token: base64 segments, the first of
// which begins an object.
func jwt(word []byte) int {
	end, segments, needed := 0, 0, 2
	for end < len(word) {
		start := end
		for end < len(word) && (isAlnum(word[end]) || word[end] == '-' || word[end] == '_') {
			end++
		}
		switch {
		case segments == 1 && end == start: // encrypted, by a key that was agreed on
			needed = 3
		case end-start < 8 && segments < needed:
			return 0
		}
		segments++
		if end == len(word) || word[end] != '.' {
			break
		}
		end++
	}
	if segments < needed {
		return 0
	}
	return end
}

// randomIn looks for random-looking stretches of a word: 32 letters and digits
// (and + and /), or 40 of these, - and _.
func randomIn(dst []span, text []byte, from, to int) []span {
	const narrow, wide = 32, 40
	for i := from; i < to; {
		end, narrowest := i, 0 // of the stretch; of its longest narrow part
		for part := 0; end < to && text[end] != '.' && text[end] != '='; end++ {
			if part++; text[end] == '-' || text[end] == '_' {
				part = 0
			}
			narrowest = max(narrowest, part)
		}
		if stretch := text[i:end]; (len(stretch) >= wide || narrowest >= narrow) && random(stretch) {
			for end < to && text[end] == '=' {
				end++
			}
			dst = append(dst, span{from: i, to: end})
		}
		i = end + 1
	}
	return dst
}

// random reports whether a stretch looks drawn at random: letters of both cases
// and digits in plenty, no word of ten letters, few slashes, no UUID, and more
// than four bits a byte.
func random(stretch []byte) bool {
	var counts [256]int
	upper, lower, digits, word, slashes := 0, 0, 0, 0, 0
	for _, c := range stretch {
		counts[c]++
		switch {
		case c >= 'a' && c <= 'z':
			lower++
			if word++; word >= 10 {
				return false
			}
			continue
		case isDigit(c):
			digits++
		case isLetter(c):
			upper++
		case c == '/':
			slashes++
		}
		word = 0
	}
	if upper < 3 || lower < 3 || digits < 3 || slashes > len(stretch)/20 {
		return false
	}
	entropy := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(stretch))
			entropy -= p * math.Log2(p)
		}
	}
	return entropy >= 4
}

var (
	pemBegin = []byte("-----BEGIN ")
	pemEnd   = []byte("-----END ")
	pemKey   = []byte("PRIVATE KEY")
)

// findPEM finds private keys. One without an end goes on to the next quote, or
// to the end of the text.
func findPEM(dst []span, text []byte) []span {
	ends := true // there may be an end yet
	for i := 0; ; {
		n := bytes.Index(text[i:], pemBegin)
		if n < 0 {
			return dst
		}
		from := i + n
		i = from + len(pemBegin)
		const longestLabel = 40
		if !bytes.Contains(text[i:min(len(text), i+longestLabel)], pemKey) {
			continue
		}
		end := len(text)
		if n := bytes.IndexAny(text[i:], `"'<>`); n >= 0 {
			end = i + n
			for text[end-1] == '\\' { // which may escape the quote
				end--
			}
		}
		n = -1
		if ends {
			n = bytes.Index(text[i:], pemEnd)
			ends = n >= 0
		}
		if n >= 0 {
			end = i + n + len(pemEnd)
			if n := bytes.Index(text[end:], []byte("-----")); n >= 0 && n <= longestLabel {
				end += n + len("-----")
			}
		}
		dst = append(dst, span{from: from, to: end})
		i = end
	}
}

var schemes = [][]byte{[]byte("bearer "), []byte("basic "), []byte("bearer+"), []byte("bearer%20")}

// findBearers finds what stands behind Bearer or Basic.
func findBearers(dst []span, text []byte) []span {
	for _, first := range []byte("Bb") {
		for i := 0; ; {
			n := bytes.IndexByte(text[i:], first)
			if n < 0 {
				break
			}
			from := i + n
			i = from + 1
			size := schemeAt(text, from)
			if size == 0 {
				continue
			}
			i = from + size
			end := i
			for end < len(text) && (inToken[text[end]] || text[end] == '~') {
				end++
				if end-i == maxLook && !drawn(text[i:end]) {
					break
				}
			}
			if end-i >= 8 && (drawn(text[i:end]) || userAndPassword(text[i:end])) {
				dst = append(dst, span{from: i, to: trimmed(text, i, end)})
			}
		}
	}
	return dst
}

// userAndPassword reports whether base64, as Basic has it, is that of both.
func userAndPassword(word []byte) bool {
	var room [maxLook]byte
	if len(word) > maxLook {
		return false
	}
	n, err := base64.RawStdEncoding.Decode(room[:], bytes.TrimRight(word, "="))
	if err != nil {
		return false
	}
	for _, c := range room[:n] {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return bytes.IndexByte(room[:n], ':') >= 0
}

// schemeAt is the length of the scheme of authentication at text[i]; 0: none.
func schemeAt(text []byte, i int) int {
	for _, scheme := range schemes {
		if len(text)-i > len(scheme) && bytes.EqualFold(text[i:i+len(scheme)], scheme) && !wordBefore(text, i) {
			return len(scheme)
		}
	}
	return 0
}

// trimmed leaves the point at the end of a sentence where it is.
func trimmed(text []byte, from, end int) int {
	for end > from && text[end-1] == '.' {
		end--
	}
	return end
}

// findAssigned finds what is assigned to names such as api_key and password.
func findAssigned(dst []span, text []byte, sign byte) []span {
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], sign)
		if n < 0 {
			return dst
		}
		at := i + n
		i = at + 1
		name := nameBefore(text, at)
		token := isToken(name)
		if !token && !secretName(name) {
			continue
		}
		from := valueStart(text, i)
		end := valueEnd(text[:min(len(text), from+maxLook)], from)
		if value := text[from:end]; token && holdsToken(value) || !token && isAssignable(value) {
			end = valueEnd(text, end)
			dst = append(dst, span{from: from, to: end})
			i = end
		}
	}
}

// nameBefore is the name that stands before an equals sign or a colon, quotes
// and a space aside.
func nameBefore(text []byte, at int) []byte {
	end := at
	for end > 0 && at-end < 4 && (text[end-1] == ' ' || text[end-1] == '"' || text[end-1] == '\'' || text[end-1] == '\\' || text[end-1] == ']' || text[end-1] == '`') {
		end--
	}
	from := end
	const longest = 64
	for from > 0 && end-from < longest && (isAlnum(text[from-1]) || text[from-1] == '_' || text[from-1] == '-') {
		from--
	}
	return text[from:end]
}

// valueStart passes spaces, quotes and a scheme of authentication.
func valueStart(text []byte, i int) int {
	i = opened(text, i)
	for _, scheme := range []string{"Bearer ", "Basic ", "Token ", "bearer ", "token "} {
		if bytes.HasPrefix(text[i:], []byte(scheme)) {
			return opened(text, i+len(scheme))
		}
	}
	return i
}

func opened(text []byte, i int) int {
	for range 6 {
		if i < len(text) && (text[i] == ' ' || text[i] == '"' || text[i] == '\'' || text[i] == '\\' || text[i] == '`' || text[i] == '=') {
			i++
		}
	}
	return i
}

func valueEnd(text []byte, i int) int {
	for i < len(text) && !endsValue[text[i]] {
		i++
	}
	return i
}

var endsValue = func() (table [256]bool) {
	for c := range ' ' + 1 {
		table[c] = true
	}
	for _, c := range []byte("\"'`,;<>(){}[]&\\|") {
		table[c] = true
	}
	return table
}()

// isAssignable: a value that looks drawn, not a name, a type or a placeholder.
// 6 bytes with a digit or a sign among letters, or 16 of no known word.
func isAssignable(value []byte) bool {
	if len(value) < 6 || bytes.IndexByte([]byte("$%*<{"), value[0]) >= 0 {
		return false
	}
	letters, digits, signs := 0, 0, 0
	for _, c := range value {
		switch {
		case isLetter(c):
			letters++
		case isDigit(c):
			digits++
		case c != '_' && c != '-' && c != '.' && c != ':' && c != '/':
			signs++
		}
	}
	return letters > 0 && digits+signs > 0 || len(value) >= 8 && digits >= 6
}

// secretKey reports whether a quoted key is that of a password or a token.
func secretKey(key []byte) bool { return key != nil && secretName(inside(key)) }

// isToken: the name alone is that of pieces of text, too, so that its values
// have to look like more.
func isToken(name []byte) bool {
	return len(name) == len("token") && bytes.EqualFold(name, []byte("token"))
}

func tokenKey(key []byte) bool { return key != nil && isToken(inside(key)) }

// holdsToken: 16 letters and digits in a row, and both of them.
func holdsToken(value []byte) bool {
	row, letters, digits := 0, 0, 0
	for _, c := range value {
		switch {
		case isLetter(c):
			letters++
		case isDigit(c):
			digits++
		default:
			row, letters, digits = 0, 0, 0
			continue
		}
		if row++; row >= shortestToken && letters > 0 && digits > 0 {
			return true
		}
	}
	return false
}

// secretName: a name that ends in one of these, `_`, `-` and case aside.
func secretName(name []byte) bool {
	if len(name) < len("pwd") {
		return false
	}
	var room [64]byte
	name = plainName(room[:0], name)
	for _, end := range secretNames {
		if bytes.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

var secretNames = [][]byte{
	[]byte("apikey"), []byte("secret"), []byte("secretkey"), []byte("password"), []byte("passwd"), []byte("passphrase"), []byte("pwd"),
	[]byte("accesstoken"), []byte("refreshtoken"), []byte("authtoken"), []byte("bearertoken"), []byte("sessiontoken"), []byte("idtoken"),
	[]byte("apitoken"), []byte("privatekey"), []byte("accesskey"), []byte("accesskeyid"), []byte("accountkey"), []byte("signingkey"),
	[]byte("encryptionkey"), []byte("authorization"), []byte("credential"), []byte("credentials"), []byte("secretkeybase"), []byte("dbpass"),
}

// isPassword reports whether what stands under such a key is one, not talk of
// one.
func isPassword(text []byte) bool {
	if len(text) < 4 || len(text) > 4096 || bytes.IndexByte(text, ' ') >= 0 || bytes.ContainsAny(text, "\t\n") {
		return false
	}
	switch string(bytes.ToLower(text)) {
	case "string", "text", "password", "secret", "required", "optional", "none", "null", "true", "false", "number", "hidden", "redacted", "[redacted]":
		return false
	}
	return true
}

// findUserInfo finds user and password in URLs.
func findUserInfo(dst []span, text []byte) []span {
	for i := 0; ; {
		n := bytes.Index(text[i:], []byte("://"))
		if n < 0 {
			return dst
		}
		from := i + n + len("://")
		i = from
		end := from
		for end < len(text) && text[end] > ' ' && bytes.IndexByte([]byte("/?#\"'<>\\"), text[end]) < 0 {
			end++
		}
		authority := text[from:end]
		if at := bytes.LastIndexByte(authority, '@'); at > 0 && bytes.IndexByte(authority[:at], ':') >= 0 {
			dst = append(dst, span{from: from, to: from + at})
		}
	}
}
