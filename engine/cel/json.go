package cel

import (
	"encoding/base64"
	"fmt"
	"math"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// Bounds of a value that a policy recommends. A list that holds the same list twice is made in constant time, so that a
// few lines make a value that is endless for all that matters.
const (
	maxJSONDepth = 64
	maxJSONSize  = 10_000
)

// toJSON converts a CEL value to JSON values: map[string]any, []any, string, bool, nil, int64 and float64. Bytes become
// base64; quantities, durations, timestamps, URLs and the like become strings in their usual form. An optional value
// is its content, or nil.
func toJSON(value ref.Val) (any, error) {
	c := converter{left: maxJSONSize}
	return c.convert(value, 0)
}

// converter knows how many values may still be converted.
type converter struct{ left int }

func (c *converter) convert(value ref.Val, depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("it is nested deeper than %d levels", maxJSONDepth)
	}
	if c.left--; c.left < 0 {
		return nil, fmt.Errorf("it has more than %d values", maxJSONSize)
	}
	switch v := value.(type) {
	case types.Null:
		return nil, nil
	case types.String:
		return string(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return float64(v), nil
		}
		return int64(v), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("JSON has no number %v", float64(v))
		}
		return float64(v), nil
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), nil
	case apiservercel.Quantity:
		return v.String(), nil
	case apiservercel.URL:
		return v.String(), nil
	case apiservercel.Semver:
		return v.String(), nil
	case apiservercel.IP:
		return v.String(), nil
	case apiservercel.CIDR:
		return v.String(), nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return c.convert(v.GetValue(), depth)
	case object:
		return map[string]any(v), nil
	case traits.Mapper:
		return c.convertMap(v, depth)
	case traits.Lister:
		return c.convertList(v, depth)
	case *types.Err:
		return nil, v
	}
	if text, ok := value.ConvertToType(types.StringType).(types.String); ok {
		return string(text), nil
	}
	return nil, fmt.Errorf("a value of type %s has no JSON form", typeName(value))
}

func (c *converter) convertMap(m traits.Mapper, depth int) (any, error) {
	converted := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("the key %v of a map is no string", key)
		}
		value, err := c.convert(m.Get(key), depth+1)
		if err != nil {
			return nil, err
		}
		converted[string(name)] = value
	}
	return converted, nil
}

func (c *converter) convertList(l traits.Lister, depth int) (any, error) {
	size, _ := l.Size().(types.Int)
	converted := make([]any, 0, min(int(size), c.left))
	for i := types.Int(0); i < size; i++ {
		value, err := c.convert(l.Get(i), depth+1)
		if err != nil {
			return nil, err
		}
		converted = append(converted, value)
	}
	return converted, nil
}
