package privacy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
)

// TestNoTextTakesTheSquareOfItsTime gives texts in which each place might begin
// a match: in proportion to their length each takes milliseconds, by its square
// minutes.
func TestNoTextTakesTheSquareOfItsTime(t *testing.T) {
	t.Parallel()
	const size = 200_000
	rules := with("email", "phone", "card", "secret")
	for _, part := range []string{
		"1 ", "ab 1 1 1 1 1 1 1 ", "@", "a@", "a@b.", "a%40", `\`, `\\`, "+1", "://a:", "://a:b@", "-----BEGIN ", `-----BEGIN PRIVATE KEY" `, "password:", "api_key=",
		"Bearer ", "bearer+", "[redacted:", "[redacted:email] bob@x.com ", "aB1", "4111-", `"@x.co `, "phone 1234567 ", "sk-", "eyJ.", "eyJabcdefgh.", "12345678-", "a", "4", "data:;base64,",
	} {
		r := &record.Record{Messages: []byte(quote(strings.Repeat(part, size/len(part))))}
		began := time.Now()
		privacy.Apply(r, rules)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("%q over and over takes %s", part, took)
		}
	}
}
