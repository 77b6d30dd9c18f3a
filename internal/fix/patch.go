package fix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Patch is the JSON patch (RFC 6902) that makes after of before; nil when they are equal. The same objects always give the
// same patch: keys in order, and lists compared element by element. Numbers are written exactly.
//
// gomodules.xyz/jsonpatch, which the libraries of Kubernetes use, walks maps in random order and takes a missing field for
// one that is null.
func Patch(before, after map[string]any) ([]byte, error) {
	var operations []operation
	diff(&operations, "", before, after)
	if len(operations) == 0 {
		return nil, nil
	}
	var patch bytes.Buffer
	encoder := json.NewEncoder(&patch)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(operations); err != nil {
		return nil, fmt.Errorf("writing the changes as a JSON patch: %w", err)
	}
	return bytes.TrimRight(patch.Bytes(), "\n"), nil
}

type operation struct {
	Op   string `json:"op"`
	Path string `json:"path"`
	// Value is nil for remove, and points to nil for the value null.
	Value *any `json:"value,omitempty"`
}

// escapePointer writes a key as a part of a JSON pointer (RFC 6901).
var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

func diff(out *[]operation, at string, before, after any) {
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			diffMaps(out, at, b, a)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			diffLists(out, at, b, a)
			return
		}
	}
	if !equal(before, after) {
		*out = append(*out, operation{"replace", at, &after})
	}
}

func diffMaps(out *[]operation, at string, before, after map[string]any) {
	keys := make([]string, 0, len(after))
	for key := range after {
		keys = append(keys, key)
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		below := at + "/" + escapePointer.Replace(key)
		a, isAfter := after[key]
		b, isBefore := before[key]
		switch {
		case !isAfter:
			*out = append(*out, operation{Op: "remove", Path: below})
		case !isBefore:
			*out = append(*out, operation{"add", below, &a})
		default:
			diff(out, below, b, a)
		}
	}
}

func diffLists(out *[]operation, at string, before, after []any) {
	both := min(len(before), len(after))
	for i := range both {
		diff(out, at+"/"+strconv.Itoa(i), before[i], after[i])
	}
	for i := len(before) - 1; i >= both; i-- {
		*out = append(*out, operation{Op: "remove", Path: at + "/" + strconv.Itoa(i)})
	}
	for i := both; i < len(after); i++ {
		*out = append(*out, operation{"add", at + "/" + strconv.Itoa(i), &after[i]})
	}
}
