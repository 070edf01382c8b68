package rawjson

import (
	"bytes"
	"strconv"
	"strings"
)

// bareMin is the length from which a bare base64 text under a binary key is
// taken for data although nothing beside it gives a media type. A shorter one
// may be a word.
const bareMin = 128

// stripBinary appends the quoted string s with its base64 data replaced by
// markers; ok is false where there is none.
func stripBinary(dst, s []byte, at place) (out []byte, ok bool) {
	bare := at.object != nil && binaryKey(at.key)
	if !bare && !mayHoldDataURL(s) {
		return dst, false
	}
	text := String(s)
	if replaced, found := stripDataURLs(text); found {
		return AppendString(dst, replaced), true
	}
	if !bare || !isBase64(text) {
		return dst, false
	}
	media := at.object.mediaType()
	if strings.HasPrefix(media, "text/") {
		return dst, false // a document that says that it is text
	}
	if media == "" && len(text) < bareMin && !KeyIs(at.key, "b64_json") {
		return dst, false
	}
	return AppendString(dst, marker(media, text)), true
}

// mayHoldDataURL reports whether a quoted string speaks of base64, or may do so
// in escapes.
func mayHoldDataURL(s []byte) bool {
	if bytes.Contains(s, []byte("base64,")) {
		return true
	}
	if bytes.IndexByte(s, '\\') < 0 {
		return false
	}
	_, asciiEscape := soundString(s)
	return asciiEscape
}

// stripDataURLs replaces each `data:<media type>;base64,<data>` in a text.
func stripDataURLs(text string) (string, bool) {
	var b strings.Builder
	rest, found := text, false
	for {
		at := strings.Index(rest, ";base64,")
		if at < 0 {
			break
		}
		from := strings.LastIndex(rest[:at], "data:")
		data := rest[at+len(";base64,"):]
		n := base64Prefix(data, false)
		if from < 0 || strings.ContainsAny(rest[from:at], " \t\r\n\"'<>()") {
			b.WriteString(rest[:at+len(";base64,")])
			rest = data
			continue
		}
		media, _, _ := strings.Cut(rest[from+len("data:"):at], ";")
		b.WriteString(rest[:from])
		b.WriteString(marker(media, data[:n]))
		rest, found = data[n:], true
	}
	b.WriteString(rest)
	return b.String(), found
}

// marker is what stands in place of base64 data: media type and size in bytes.
func marker(media, data string) string {
	if media == "" {
		media = "application/octet-stream"
	}
	if len(media) > 80 {
		media = media[:80]
	}
	size := len(strings.TrimRight(data, "=")) * 3 / 4
	return "[base64 " + media + ", " + strconv.Itoa(size) + " bytes]"
}

// binaryKey reports whether providers put bare base64 under that quoted key:
// OpenAI's input_audio.data, file.file_data and b64_json, Anthropic's
// source.data, Gemini's inline_data.data, the AI SDK's image and data,
// Bedrock's bytes.
func binaryKey(key []byte) bool {
	inner := key[1 : len(key)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		inner = []byte(String(key))
	}
	switch string(inner) {
	case "data", "file_data", "fileData", "b64_json", "image", "audio", "bytes":
		return true
	}
	return false
}

// longestBinaryKey is the longest of them, quoted.
const longestBinaryKey = len(`"file_data"`)

// mediaType finds the media type that an object gives for its data, or "". It
// looks once, however many data the object holds.
func (o *object) mediaType() string {
	if o.media == nil {
		media := findMedia(o.text[:containerEnd(o.text, 0)])
		o.media = &media
	}
	return *o.media
}

func findMedia(object []byte) string {
	for key, value := range Object(object) {
		if !IsString(value) || len(value) > 100 {
			continue
		}
		switch string(key) {
		case `"media_type"`, `"mime_type"`, `"mimeType"`, `"mediaType"`:
			return String(value)
		case `"format"`:
			if format := String(value); audioFormats[format] {
				return "audio/" + format
			}
		}
	}
	return ""
}

// audioFormats are the words of OpenAI's input_audio.format and its kin; any
// other `format` beside `data` is no sign of audio.
var audioFormats = map[string]bool{
	"wav": true, "mp3": true, "flac": true, "opus": true, "pcm16": true, "pcm": true,
	"aac": true, "ogg": true, "m4a": true, "aiff": true, "webm": true,
	"g711_ulaw": true, "g711_alaw": true,
}

// isBase64 reports whether all of text is base64, standard or URL alphabet,
// padded or not, line breaks allowed, and not empty.
func isBase64(text string) bool {
	return text != "" && base64Prefix(text, true) == len(text)
}

// base64Prefix is the length of the base64 text at the start of s.
func base64Prefix(s string, lineBreaks bool) int {
	i := 0
	for i < len(s) && (base64Byte[s[i]] || lineBreaks && (s[i] == '\n' || s[i] == '\r')) {
		i++
	}
	for i < len(s) && s[i] == '=' {
		i++
	}
	return i
}

var base64Byte = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") {
		table[c] = true
	}
	return table
}()
