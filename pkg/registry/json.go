package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// maxDepth bounds the nesting of an entry; 4 is what one needs.
const maxDepth = 16

// jsonNode reads one JSON value into the form that YAML is read into, so that
// one reader reads both. Strict: one value, no duplicate names, valid UTF-8.
// Errors don't repeat the input.
func jsonNode(data []byte) (*yaml.Node, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	node, err := nextNode(dec, 0)
	if err == nil {
		if _, err = dec.ReadToken(); err == nil {
			err = errors.New("more than one value")
		} else if errors.Is(err, io.EOF) {
			return node, nil
		}
	}
	return nil, fmt.Errorf("not JSON: at byte %d: %s", dec.InputOffset(), jsonFault(err))
}

// jsonFault is what is wrong, without what was read.
func jsonFault(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "it ends too early"
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "a key is given twice"
	case errors.Is(err, errTooDeep):
		return errTooDeep.Error()
	}
	return "syntax error"
}

var errTooDeep = errors.New("nested too deep")

func nextNode(dec *jsontext.Decoder, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	token, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch kind := token.Kind(); kind {
	case '{', '[':
		return container(dec, kind, depth)
	case '"':
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: token.String(), Style: yaml.DoubleQuotedStyle}, nil
	case '0':
		text := token.String()
		tag := "!!int"
		if strings.ContainsAny(text, ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}, nil
	case 't', 'f':
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: token.String()}, nil
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	}
}

func container(dec *jsontext.Decoder, kind jsontext.Kind, depth int) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if kind == '[' {
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
	}
	for {
		switch dec.PeekKind() {
		case '}', ']':
			_, err := dec.ReadToken()
			return node, err
		}
		child, err := nextNode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
}
