package fix

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxDepth bounds how deep a recommended value may be nested.
const maxDepth = 64

var errLarge = fmt.Errorf("is too large: at most %d bytes are written at a place, %d into an object", maxValue, maxValues)

// normalise is a deep copy of a JSON value, of any of the types in which evaluators give them, with the types of
// policy.Object. Its size, which is limited, is about that of its JSON. The error completes "the recommended value …".
func normalise(value any, limit int) (normal any, size int, err error) {
	n := normaliser{left: limit}
	normal, err = n.value(value, 0)
	return normal, limit - n.left, err
}

type normaliser struct{ left int }

func (n *normaliser) take(size int) error {
	if n.left -= size; n.left < 0 {
		return errLarge
	}
	return nil
}

func (n *normaliser) value(value any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("is nested more than %d deep", maxDepth)
	}
	if err := n.take(8); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case nil, bool, int64:
		return v, nil
	case string:
		return v, n.take(len(v))
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint64:
		if v > math.MaxInt64 {
			return nil, errInexact
		}
		return int64(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("is a number that JSON does not have")
		}
		return v, nil
	case json.Number:
		return exactly(v.String())
	case []any:
		list := make([]any, 0, min(len(v), n.left/8))
		for _, element := range v {
			normal, err := n.value(element, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, normal)
		}
		return list, nil
	case map[string]any:
		fields := make(map[string]any, min(len(v), n.left/8))
		for key, field := range v {
			if err := n.take(len(key)); err != nil {
				return nil, err
			}
			normal, err := n.value(field, depth+1)
			if err != nil {
				return nil, err
			}
			fields[key] = normal
		}
		return fields, nil
	}
	return nil, fmt.Errorf("is no JSON value but a %T", value)
}

var errInexact = errors.New("is a number that an object cannot hold exactly")

// exactly reads a number of JSON. One that would be another number as int64 or float64 is an error.
func exactly(text string) (any, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > 64 || !json.Valid([]byte(text)) {
		return nil, errInexact
	}
	// The shortest text that is read as f is the same number as text unless something was lost.
	if decimal(text) != decimal(strconv.FormatFloat(f, 'e', -1, 64)) {
		return nil, errInexact
	}
	return f, nil
}

// decimal writes a number in one way only: its digits without zeros around them and the power of ten that they are times.
func decimal(text string) string {
	mantissa, power, _ := strings.Cut(strings.ToLower(text), "e")
	exponent, _ := strconv.Atoi(power)
	negative := strings.HasPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	if trimmed == "" {
		return "0"
	}
	return fmt.Sprintf("%t %se%d", negative, trimmed, exponent)
}

// equal tells whether two JSON values are the same; 1 and 1.0 are.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, field := range a {
			if other, ok := b[key]; !ok || !equal(field, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case int64:
		if f, ok := b.(float64); ok {
			return sameNumber(a, f)
		}
	case float64:
		if i, ok := b.(int64); ok {
			return sameNumber(i, a)
		}
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

func sameNumber(i int64, f float64) bool {
	return f >= math.MinInt64 && f < math.MaxInt64 && f == math.Trunc(f) && int64(f) == i
}

func deepCopy(value any) any {
	switch v := value.(type) {
	case map[string]any:
		fields := make(map[string]any, len(v))
		for key, field := range v {
			fields[key] = deepCopy(field)
		}
		return fields
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = deepCopy(element)
		}
		return list
	}
	return value
}
