package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// writeYAMLElement writes a value as an element of a YAML list. YAML libraries take a tenth of a millisecond for a result,
// which is long when there are ten thousand; here strings are quoted as JSON does it, which YAML reads just as well. Keys
// are those of Kubernetes types and need no quotes.
func writeYAMLElement(w io.Writer, value any) error {
	document, err := json.Marshal(value)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var values any
	if err := decoder.Decode(&values); err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("-")
	if err := appendYAML(&b, values, 1, true); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// appendYAML appends a value after its key or dash, and the line's end. Inline: the first key of a map goes on the line
// of the dash.
func appendYAML(b *bytes.Buffer, value any, depth int, inline bool) error {
	indentation := strings.Repeat("  ", depth)
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return nil
		}
		for i, key := range slices.Sorted(maps.Keys(v)) {
			switch {
			case i > 0:
				b.WriteString(indentation)
			case inline:
				b.WriteByte(' ')
			default:
				b.WriteString("\n" + indentation)
			}
			b.WriteString(key + ":")
			if err := appendYAML(b, v[key], depth+1, false); err != nil {
				return err
			}
		}
	case []any:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return nil
		}
		b.WriteByte('\n')
		for _, element := range v {
			b.WriteString(indentation + "-")
			if err := appendYAML(b, element, depth+1, true); err != nil {
				return err
			}
		}
	case string:
		b.WriteByte(' ')
		encoder := json.NewEncoder(b) // it ends the line
		encoder.SetEscapeHTML(false)
		return encoder.Encode(printable(v))
	default: // a number, true, false or null
		fmt.Fprintf(b, " %v\n", v)
	}
	return nil
}
