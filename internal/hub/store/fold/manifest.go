package fold

import (
	"encoding/json"
	"slices"
	"strconv"
)

// appendJSON writes a value as JSON. Manifests are most of what is written, and this takes a fraction of the time that encoding/json takes for
// them; what a manifest seldom has is left to that.
func appendJSON(to []byte, value any) ([]byte, error) {
	w := jsonWriter{}
	return w.append(to, value)
}

// jsonWriter has room for the keys of the maps that are being written.
type jsonWriter struct {
	keys []string
}

func (w *jsonWriter) append(to []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case map[string]any:
		return w.appendMap(to, value)
	case []any:
		if value == nil {
			return append(to, "null"...), nil
		}
		to = append(to, '[')
		for i := range value {
			if i > 0 {
				to = append(to, ',')
			}
			var err error
			if to, err = w.append(to, value[i]); err != nil {
				return nil, err
			}
		}
		return append(to, ']'), nil
	case string:
		return appendString(to, value)
	case int64:
		return strconv.AppendInt(to, value, 10), nil
	case int:
		return strconv.AppendInt(to, int64(value), 10), nil
	case json.Number:
		if isInteger(string(value)) {
			return append(to, value...), nil
		}
	case bool:
		return strconv.AppendBool(to, value), nil
	case nil:
		return append(to, "null"...), nil
	}
	return appendOther(to, value)
}

func (w *jsonWriter) appendMap(to []byte, value map[string]any) ([]byte, error) {
	if value == nil {
		return append(to, "null"...), nil
	}
	first := len(w.keys)
	for key := range value {
		w.keys = append(w.keys, key)
	}
	end := len(w.keys)
	slices.Sort(w.keys[first:end])
	to = append(to, '{')
	for i := first; i < end; i++ {
		if i > first {
			to = append(to, ',')
		}
		key := w.keys[i]
		var err error
		if to, err = appendString(to, key); err != nil {
			return nil, err
		}
		if to, err = w.append(append(to, ':'), value[key]); err != nil {
			return nil, err
		}
	}
	w.keys = w.keys[:first]
	return append(to, '}'), nil
}

// isInteger tells whether a text is an integer as JSON has it.
func isInteger(text string) bool {
	if len(text) > 1 && text[0] == '-' {
		text = text[1:]
	}
	if text == "" || text[0] == '0' && len(text) > 1 {
		return false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

func appendString(to []byte, text string) ([]byte, error) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return appendOther(to, text)
		}
	}
	return append(append(append(to, '"'), text...), '"'), nil
}

func appendOther(to []byte, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return append(to, text...), nil
}
