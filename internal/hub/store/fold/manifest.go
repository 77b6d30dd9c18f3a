package fold

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// appendJSON writes a value as JSON. Manifests are most of what is written, and this takes a third of the time that encoding/json takes for
// them; what a manifest seldom has is left to that.
func appendJSON(to []byte, value any) ([]byte, error) {
	var err error
	switch value := value.(type) {
	case map[string]any:
		if value == nil {
			return append(to, "null"...), nil
		}
		to = append(to, '{')
		for i, key := range slices.Sorted(maps.Keys(value)) {
			if i > 0 {
				to = append(to, ',')
			}
			if to, err = appendString(to, key); err != nil {
				return nil, err
			}
			if to, err = appendJSON(append(to, ':'), value[key]); err != nil {
				return nil, err
			}
		}
		return append(to, '}'), nil
	case []any:
		if value == nil {
			return append(to, "null"...), nil
		}
		to = append(to, '[')
		for i := range value {
			if i > 0 {
				to = append(to, ',')
			}
			if to, err = appendJSON(to, value[i]); err != nil {
				return nil, err
			}
		}
		return append(to, ']'), nil
	case string:
		return appendString(to, value)
	case int64:
		return strconv.AppendInt(to, value, 10), nil
	case bool:
		return strconv.AppendBool(to, value), nil
	}
	return appendOther(to, value)
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
