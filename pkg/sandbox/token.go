package sandbox

import (
	"net/http"
	"strings"
)

// checkToken looks at a key's shape, which is all that PostHog's edge looks at:
// trimmed, 1 to 64 visible ASCII characters, no personal key. The second result
// says what is wrong, "" for nothing.
func checkToken(token string) (key, wrong string) {
	key = strings.TrimSpace(token)
	switch {
	case key == "":
		return "", "empty"
	case len(key) > 64:
		return "", "too_long"
	case strings.HasPrefix(key, "phx_"):
		return "", "personal_api_key"
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return "", "not_ascii"
		}
	}
	return key, ""
}

// bearer is the token of v1's header; "" where there is none.
func bearer(r *http.Request) string {
	const scheme = "Bearer "
	auth := r.Header.Get("Authorization")
	if len(auth) < len(scheme) || !strings.EqualFold(auth[:len(scheme)], scheme) {
		return ""
	}
	return strings.TrimSpace(auth[len(scheme):])
}
