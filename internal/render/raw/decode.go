package raw

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v2"
	kjson "sigs.k8s.io/json"

	"github.com/assay-gitops/assay/policy"
)

var errTooDeep = fmt.Errorf("nested deeper than %d levels", policy.MaxDepth)

// decodeYAML decodes one document into JSON values as sigs.k8s.io/yaml does in its strict mode: by YAML 1.1, and then as
// if it had been written as JSON and read back with integers kept. Doing it without the JSON in between takes half the
// time. A key that a map repeats is an error, but a key may override one that is merged. At is where in
// the file the document is.
func decodeYAML(document []byte, at span) (value any, err error) {
	defer func() {
		// The parser is not ours, and what it reads may come from anybody.
		if r := recover(); r != nil {
			value, err = nil, fmt.Errorf("yaml: the parser failed: %v", r)
		}
	}()
	var decoded any
	if err := yaml.UnmarshalStrict(document, &decoded); err != nil {
		var repeated *yaml.TypeError
		if !errors.As(err, &repeated) {
			return nil, err
		}
		if duplicate := findDuplicate(document, at, false); duplicate != nil {
			return nil, duplicate
		}
		if !bytes.Contains(document, []byte("<<")) {
			return nil, err
		}
		// Only merged keys were set again.
		decoded = nil
		if err := yaml.Unmarshal(document, &decoded); err != nil {
			return nil, err
		}
	}
	return jsonValue(decoded, 0)
}

// decodeJSON decodes one JSON value; at is as with decodeYAML.
func decodeJSON(document []byte, at span) (any, error) {
	var value any
	repeated, err := kjson.UnmarshalStrict(document, &value)
	if err != nil {
		return nil, err
	}
	if len(repeated) > 0 {
		if duplicate := findDuplicate(document, at, true); duplicate != nil {
			return nil, duplicate
		}
		return nil, repeated[0]
	}
	if policy.TooDeep(value) {
		return nil, errTooDeep
	}
	return value, nil
}

// jsonValue turns what the YAML parser yields into what would come back if it were written as JSON and read again.
func jsonValue(value any, depth int) (any, error) {
	if depth > policy.MaxDepth {
		return nil, errTooDeep
	}
	switch v := value.(type) {
	case map[any]any:
		m := make(map[string]any, len(v))
		for key, child := range v {
			k, err := jsonKey(key)
			if err != nil {
				return nil, err
			}
			if _, repeated := m[k]; repeated {
				return nil, fmt.Errorf("key %q is set twice in one map, once as text and once as a number or boolean", k)
			}
			if m[k], err = jsonValue(child, depth+1); err != nil {
				return nil, err
			}
		}
		return m, nil
	case []any:
		for i := range v {
			child, err := jsonValue(v[i], depth+1)
			if err != nil {
				return nil, err
			}
			v[i] = child
		}
		return v, nil
	case string:
		return jsonString(v), nil
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case uint64:
		return float64(v), nil
	case float64:
		return jsonNumber(v)
	case bool, nil:
		return v, nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	}
	return nil, fmt.Errorf("a %T is not a value of a Kubernetes object", value)
}

// jsonKey writes keys that are not text as sigs.k8s.io/yaml does.
func jsonKey(key any) (string, error) {
	switch k := key.(type) {
	case string:
		return jsonString(k), nil
	case int:
		return strconv.Itoa(k), nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	case float64:
		switch {
		case math.IsNaN(k):
			return ".nan", nil
		case math.IsInf(k, 1):
			return ".inf", nil
		case math.IsInf(k, -1):
			return "-.inf", nil
		}
		return strconv.FormatFloat(k, 'g', -1, 32), nil
	case bool:
		return strconv.FormatBool(k), nil
	case nil:
		return "", errors.New("a key is null: keys must be text, write it in quotes")
	}
	return "", fmt.Errorf("a key is a %T: keys must be text", key)
}

// jsonString replaces what is not UTF-8, which only !!binary can bring in, as JSON does.
func jsonString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// jsonNumber keeps floating-point numbers that JSON would write without a point as integers.
func jsonNumber(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v is not a number that JSON can hold", f)
	}
	// JSON writes numbers from 1e21 with an exponent; before, what does not fit stays a floating-point number.
	if f != math.Trunc(f) || math.Abs(f) >= 1e21 {
		return f, nil
	}
	if math.Abs(f) < 1<<53 {
		return int64(f), nil
	}
	// Beyond 2^53 JSON has the shortest digits that lead to the number, filled up with zeros.
	if i, err := strconv.ParseInt(strconv.FormatFloat(f, 'f', -1, 64), 10, 64); err == nil {
		return i, nil
	}
	return f, nil
}
