package sandbox

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// options are v1's switches of one event; nil where they weren't given.
type options struct {
	cookieless, ignoreSentAt, personProfile *bool
	productTour                             *string
}

// readOptions reads and coerces as PostHog does. False: the event is dropped.
func readOptions(raw jsontext.Value) (opts options, ok bool) {
	if len(raw) == 0 || raw.Kind() == 'n' {
		return opts, true
	}
	var sent struct {
		CookielessMode        jsontext.Value `json:"cookieless_mode"`
		DisableSkewCorrection jsontext.Value `json:"disable_skew_correction"`
		ProcessPersonProfile  jsontext.Value `json:"process_person_profile"`
		ProductTourID         jsontext.Value `json:"product_tour_id"`
	}
	if raw.Kind() != '{' || decode(raw, &sent) != nil {
		return opts, false
	}
	return opts, coerceBool(sent.CookielessMode, &opts.cookieless) &&
		coerceBool(sent.DisableSkewCorrection, &opts.ignoreSentAt) &&
		coerceBool(sent.ProcessPersonProfile, &opts.personProfile) &&
		coerceString(sent.ProductTourID, &opts.productTour)
}

// coerceBool takes booleans, "true", "false", "1", "0" and numbers.
func coerceBool(raw jsontext.Value, to **bool) bool {
	var b bool
	switch raw.Kind() {
	case jsontext.KindInvalid, 'n':
		return true
	case 't':
		b = true
	case 'f':
	case '"':
		switch strings.ToLower(strings.TrimSpace(text(raw))) {
		case "true", "1":
			b = true
		case "false", "0":
		default:
			return false
		}
	case '0':
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return false
		}
		b = f != 0
	default:
		return false
	}
	*to = &b
	return true
}

// coerceString takes strings and integers.
func coerceString(raw jsontext.Value, to **string) bool {
	var s string
	switch raw.Kind() {
	case jsontext.KindInvalid, 'n':
		return true
	case '"':
		s = text(raw)
	case '0':
		s = string(raw)
		if strings.ContainsAny(s, ".eE") {
			return false
		}
	default:
		return false
	}
	*to = &s
	return true
}

func text(raw jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, raw)
	_ = err // can't be: it is valid
	return string(b)
}

// fold puts v1's options and top-level ids back into the properties, and the
// SDK's name from its header (unless an event names its own), where the rest of
// PostHog looks for them. They come last, so that they win over a property of
// the same name.
func fold(e *sentEvent, opts options, sdk string) []byte {
	props := oneLine(bytes.TrimSpace(e.Properties))
	if len(props) == 0 {
		props = []byte("{}")
	}
	dst := bytes.Clone(bytes.TrimRight(props[:len(props)-1], " \t"))
	add := func(name string, value []byte) {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(dst, value...)
	}
	addString(add, "$session_id", e.SessionID)
	addString(add, "$window_id", e.WindowID)
	addBool(add, "$cookieless_mode", opts.cookieless)
	addBool(add, "$ignore_sent_at", opts.ignoreSentAt)
	addString(add, "$product_tour_id", opts.productTour)
	addBool(add, "$process_person_profile", opts.personProfile)
	if lib, version, ok := splitSDK(sdk); ok && !bytes.Contains(props, []byte(`"$lib":`)) {
		addString(add, "$lib", &lib)
		addString(add, "$lib_version", &version)
	}
	return append(dst, '}')
}

func addString(add func(string, []byte), name string, value *string) {
	if value != nil {
		add(name, appendString(nil, *value))
	}
}

func addBool(add func(string, []byte), name string, value *bool) {
	if value != nil {
		add(name, strconv.AppendBool(nil, *value))
	}
}

// splitSDK reads `name/version`; over 200 bytes it is ignored.
func splitSDK(info string) (lib, version string, ok bool) {
	slash := strings.LastIndexByte(info, '/')
	if slash < 0 || len(info) > 200 {
		return "", "", false
	}
	lib, version = strings.TrimSpace(info[:slash]), strings.TrimSpace(info[slash+1:])
	return lib, version, lib != "" && version != ""
}
