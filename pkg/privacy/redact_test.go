package privacy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/rawjson"
)

// with makes rules of patterns: names of built-in ones, or `name=expression`.
func with(patterns ...string) privacy.Rules {
	d := &destination.Destination{}
	for _, p := range patterns {
		name, expr, _ := strings.Cut(p, "=")
		d.Privacy.Redact = append(d.Privacy.Redact, destination.Pattern{Name: name, Expr: expr})
	}
	return privacy.RulesOf(d)
}

func quote(s string) string { return string(rawjson.AppendString(nil, s)) }

// redacted is what becomes of a raw JSON value as content.
func redacted(t *testing.T, value string, rules privacy.Rules) string {
	t.Helper()
	if !json.Valid([]byte(value)) {
		t.Fatalf("the test's own value is no JSON: %s", value)
	}
	r := decode(t, head+`,"messages":[`+value+`]}`)
	out := strings.TrimSpace(string(privacy.Apply(r, rules).Messages))
	if !json.Valid([]byte(out)) {
		t.Fatalf("%s became %s", value, out)
	}
	return out[1 : len(out)-1]
}

const head = `{"id":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m"`

// found: in each text the part between ⟦ and ⟧ is found, and nothing else.
var found = map[string][]string{
	"email": {
		"write to ⟦bob@example.com⟧.", "⟦bob.o'neil+tag@mail.example.co.uk⟧", "<⟦a@b.de⟧>", "mailto:⟦bob@example.com⟧?subject=hi",
		"(⟦x_y-z@sub.domain.example⟧)", "email=⟦bob@example.com⟧&x=1", "https://x.example/?e=⟦bob%40example.com⟧", "⟦jörg@müller.de⟧",
		"联系⟦bob@example.com⟧谢谢", "⟦bob@xn--mller-kva.de⟧", "⟦bob@[192.168.0.1]⟧", "⟦\"bob smith\"@example.com⟧", "a,⟦bob@example.com⟧;⟦al@example.org⟧",
		"⟦BOB@EXAMPLE.COM⟧", "…⟦bob@example.com⟧…", "not an address: @handle, a@b, 3 @ 5.00, x@1.2.3, @scope/pkg, bob@localhost, pkg@^1.2.0",
	},
	"phone": {
		"call ⟦+1 415 555 2671⟧ now", "⟦+14155552671⟧", "⟦+44 20 7946 0958⟧", "⟦+49 (0)30 123456⟧", "⟦+49-170-1234567⟧", "⟦+33 6 12 34 56 78⟧", "⟦+358 40 1234567⟧",
		"⟦0049 170 1234567⟧", "⟦0033612345678⟧", "⟦(415) 555-2671⟧", "⟦415-555-2671⟧", "⟦415.555.2671⟧", "⟦415 555 2671⟧", "⟦1-415-555-2671⟧", "⟦1 (415) 555-2671⟧",
		"⟦020 7946 0958⟧", "⟦(020) 7946 0958⟧", "⟦07700 900123⟧", "⟦07700900123⟧", "⟦0170 1234567⟧", "⟦030/1234567⟧", "⟦06 12 34 56 78⟧", "⟦06.12.34.56.78⟧",
		"⟦0612345678⟧", "⟦03-1234-5678⟧", "⟦138 1234 5678⟧", "⟦(11) 91234-5678⟧", "tel: ⟦4155552671⟧", "my phone is ⟦5552671⟧", "Phone number: ⟦4155552671⟧", "tel:⟦+49 170 1234567⟧",
		"WhatsApp ⟦491701234567⟧ please", "⟦+1\u00a0415\u00a0555\u00a02671⟧", "⟦415\u2011555\u20112671⟧", "⟦4155552671⟧", "⟦+41 44 668 18 00⟧, thanks",
		// and these are none
		"order 4155552671 was shipped", "2026-01-02 03:04:05 +0100", "2026-01-02T03:04:05.678+01:00", "01.02.2024 10:30", "02/01/2024", "20240102030405", "1700000000", "1700000000000 ms",
		"3.14159265358979", "0.30000000000000004", "192.168.100.200", "10.0.0.1:8080", "12345678-1234-1234-1234-123456789012", "550e8400-e29b-41d4-a716-446655440000",
		"gpt-4o-2024-08-06", "claude-3-5-sonnet-20241022", "ISBN 978-3-16-148410-0", "call_4155552671", "$4155552671", "v1.2.3-20240102", "#4155552671", "order-415-555-2671-99",
		"Nature (2019) 1234-1240", "1,234,567,890", "a hotel 12345678", "dialog 12345678", "sha 0612345678abcdef", "1 2 3 4 5 6 7 8 9 10", "0x0612345678", "00000012345", "GB82 WEST 1234 5698 7654 32",
	},
	"card": {
		"⟦4111111111111111⟧", "⟦4111 1111 1111 1111⟧", "⟦4111-1111-1111-1111⟧", "card: ⟦5500005555555559⟧.", "amex ⟦378282246310005⟧", "⟦3782 822463 10005⟧", "⟦6011000990139424⟧", "⟦4222222222222⟧",
		"pay ⟦4111 1111 1111 1111⟧ 12/28", "no 12 ⟦4111 1111 1111 1111⟧", "⟦6304000000000000⟧", "⟦4111\u00a01111\u00a01111\u00a01111⟧", "cc=⟦4111111111111111⟧;", "⟦4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1⟧",
		"⟦4111111111111111110⟧", "⟦2223003122003222⟧", "4111111111111112", "1700000000000", "1234567890123452", "0.4111111111111111", "a4111111111111111b", "97831614841009", "9783161484100",
		"41111111111111111111111", "4111 1111 1111 1112", "550e8400-e29b-41d4-a716-446655440000", "41111111-1111-1111-1111-111111111111",
	},
	"secret": {
		"key ⟦sk-proj-abcdefghijklmnop1234567890⟧ ok", "⟦sk-ant-api03-AbCdEf123456_-xyzABC⟧", "⟦AKIAIOSFODNN7EXAMPLE⟧", "⟦ghp_16C7e42F292c6912E7710c838347Ae178B4a⟧", "⟦xoxb-123456789012-abcdef⟧",
		"⟦phc_abcdefghij0123456789⟧", "⟦phx_0123456789abcdefghij⟧", "⟦eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N⟧", "Authorization: Bearer ⟦abc123def456⟧", "authorization: Basic ⟦dXNlcjpwYXNzdzByZA==⟧",
		"api_key=⟦abc123def456⟧&x=1", "API-KEY: ⟦abc123def456⟧", `"password": "⟦hunter2!⟧"`, "OPENAI_API_KEY='⟦abcd1234efgh⟧'", "client_secret = ⟦s3cr3t-value⟧", "https://⟦bob:pa55⟧@x.example/",
		"aws ⟦wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLE9K1a⟧", "⟦Zx8Kq2Lm9Pv4Rt6Yw1Bn3Cd5Fg7Hj0Ks⟧", "-⟦-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----⟧ bye", "⟦-----BEGIN PRIVATE KEY-----\nMIIEow⟧",
		"see https://api.example/v1/⟦sk-abcdefghijklmnopqrstuvwxyz⟧",
		"Authorization: Basic ⟦dXNlcjpwYXNz⟧", "token: ⟦9f86d081884c7d659a2feaa0c55ad015⟧", "/x?token=⟦abc123def456ghi789⟧&y=1", "SECRET_KEY_BASE=⟦9f86d081884c7d659a2feaa0c55ad015⟧",
		"⟦eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..Xx1Yy2Zz3Aa4Bb5C.c2VjcmV0Zm9yeW91.dGFn⟧ ok", "DB_PASS=⟦hunter22⟧",
		// and these are none
		"sk-learn-compatible-estimators", "a task-oriented-dialogue-2024-system", "hf_model_name_or_path", "550e8400-e29b-41d4-a716-446655440000", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "2026-01-02T03:04:05.678Z",
		"max_tokens: 1024", "password: string", "api_key = os.environ", "api_key=your_api_key_here", "Bearer tokens are fine", "chatcmpl-9xKJd8f7sdfkjh23kjhdskfjhA", "toolu_01A09q90qw90lq917835lq9", "call_Zx8Kq2Lm9Pv4Rt6Yw1Bn3Cd5",
		"/Users/JohnSmith/Projects2024/app3/src/Main7.java", "getUserAccountByIdAndReturnAllOfItsDetails", "anthropic/claude-3-5-sonnet-20241022:beta", "tokens: 12345678", "the password is a secret: do not tell",
		"claude-3-7-sonnet-20250219-thinking-with-128k-output", "https://example.com/Path/To/Some/Article-2024-With-A-Long-Title", "aGVsbG8gd29ybGQ=", "token: abc",
		"Basic training", "Basic dmFsdWVz", "token: gpt-4o-mini-2024-07-18", "token: 12345678901234567890", "next token: internationalization", "eyJhbGciOiJkaXIi.. and so on",
	},
}

func TestBuiltInPatternsFindWhatTheySayAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, texts := range found {
		rules := with(name)
		for _, text := range texts {
			in := strings.NewReplacer("⟦", "", "⟧", "").Replace(text)
			want := text
			for {
				before, rest, ok := strings.Cut(want, "⟦")
				if !ok {
					break
				}
				_, after, _ := strings.Cut(rest, "⟧")
				want = before + "[redacted:" + name + "]" + after
			}
			// As it stands, and with every character escaped, and as JSON in a string.
			nested := quote(quote(in))
			for form, raw := range map[string]string{"plain": quote(in), "escaped": escaped(in), "nested": nested, "nested and escaped": quote(escaped(in)), "thrice": quote(nested)} {
				got := redacted(t, raw, rules)
				for i := strings.Count(form, "nested") + 2*strings.Count(form, "thrice"); i > 0; i-- {
					got = rawjson.String([]byte(got))
				}
				if form != "plain" && in == "4155552671" {
					continue // alone in its string: not so where it stands in quotes
				}
				if got := rawjson.String([]byte(got)); got != want {
					t.Errorf("%s, %s: got %q, want %q", name, form, got, want)
				}
			}
		}
	}
}

// escaped writes every character of a string as \uXXXX.
func escaped(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r > 0xffff {
			b.WriteString(quote(string(r))[1 : len(quote(string(r)))-1])
			continue
		}
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte("0123456789abcdef"[r>>shift&15])
		}
	}
	b.WriteByte('"')
	return b.String()
}
