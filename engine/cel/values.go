package cel

import (
	"reflect"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// adapter turns Go values into CEL values. JSON maps and lists are wrapped, never copied: a map is itself a pointer,
// so that wrapping one allocates nothing, where cel-go's own adapter allocates twice for every map it passes.
type adapter struct{ fallback types.Adapter }

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	if v, ok := jsonToValue(value); ok {
		return v
	}
	return a.fallback.NativeToValue(value)
}

// jsonToValue converts JSON values and passes CEL values on.
func jsonToValue(value any) (ref.Val, bool) {
	switch v := value.(type) {
	case ref.Val:
		return v, true
	case map[string]any:
		if v == nil {
			return types.NullValue, true
		}
		return object(v), true
	case []any:
		return list(v), true
	case string:
		return types.String(v), true
	case bool:
		return types.Bool(v), true
	case int64:
		return types.Int(v), true
	case float64:
		return types.Double(v), true
	case nil:
		return types.NullValue, true
	}
	return nil, false
}

// toValue converts a value inside an object, where a number may be of any Go type if a gate was careless.
func toValue(value any) ref.Val {
	if v, ok := jsonToValue(value); ok {
		return v
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// object is a JSON object as a CEL map.
type object map[string]any

var (
	_ traits.Mapper = object(nil)
	_ traits.Zeroer = object(nil)
	_ traits.Lister = list(nil)
	_ traits.Zeroer = list(nil)
)

// Find implements traits.Mapper.
func (o object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		if types.IsUnknownOrError(key) {
			return key, false
		}
		return nil, false
	}
	value, ok := o[string(name)]
	if !ok {
		return nil, false
	}
	return toValue(value), true
}

// Get implements traits.Indexer.
func (o object) Get(key ref.Val) ref.Val {
	value, ok := o.Find(key)
	if !ok {
		return types.ValOrErr(value, "no such key: %v", key)
	}
	return value
}

// Contains implements traits.Container.
func (o object) Contains(key ref.Val) ref.Val {
	value, ok := o.Find(key)
	if value != nil && types.IsUnknownOrError(value) {
		return value
	}
	return types.Bool(ok)
}

// Size implements traits.Sizer.
func (o object) Size() ref.Val { return types.Int(len(o)) }

// IsZeroValue implements traits.Zeroer.
func (o object) IsZeroValue() bool { return len(o) == 0 }

// Iterator implements traits.Iterable. Keys come sorted, so that a message built from them is always the same.
func (o object) Iterator() traits.Iterator {
	keys := make([]string, 0, len(o))
	for key := range o {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return &iterator{size: len(keys), at: func(i int) ref.Val { return types.String(keys[i]) }}
}

// Equal implements ref.Val.
func (o object) Equal(other ref.Val) ref.Val {
	m, ok := other.(traits.Mapper)
	if !ok || m.Size() != o.Size() {
		return types.False
	}
	for key, value := range o {
		theirs, ok := m.Find(types.String(key))
		if !ok || types.Equal(toValue(value), theirs) != types.True {
			return types.False
		}
	}
	return types.True
}

// Type implements ref.Val.
func (o object) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (o object) Value() any { return map[string]any(o) }

// ConvertToType implements ref.Val.
func (o object) ConvertToType(to ref.Type) ref.Val { return o.asCEL().ConvertToType(to) }

// ConvertToNative implements ref.Val.
func (o object) ConvertToNative(to reflect.Type) (any, error) { return o.asCEL().ConvertToNative(to) }

func (o object) asCEL() traits.Mapper {
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, o)
}

// list is a JSON array as a CEL list.
type list []any

// Get implements traits.Indexer.
func (l list) Get(index ref.Val) ref.Val {
	i, err := types.IndexOrError(index)
	if err != nil {
		return types.ValOrErr(index, "%v", err)
	}
	if i < 0 || i >= len(l) {
		return types.NewErr("index '%d' out of range in list size '%d'", i, len(l))
	}
	return toValue(l[i])
}

// Contains implements traits.Container.
func (l list) Contains(element ref.Val) ref.Val {
	for _, value := range l {
		if element.Equal(toValue(value)) == types.True {
			return types.True
		}
	}
	return types.False
}

// Add implements traits.Adder. The sum is a view of both lists: copying them would cost time and memory that the cost
// limits, which know lists to be added in constant time, do not see.
func (l list) Add(other ref.Val) ref.Val { return l.asCEL().Add(other) }

// Size implements traits.Sizer.
func (l list) Size() ref.Val { return types.Int(len(l)) }

// IsZeroValue implements traits.Zeroer.
func (l list) IsZeroValue() bool { return len(l) == 0 }

// Iterator implements traits.Iterable.
func (l list) Iterator() traits.Iterator {
	return &iterator{size: len(l), at: func(i int) ref.Val { return toValue(l[i]) }}
}

// Equal implements ref.Val.
func (l list) Equal(other ref.Val) ref.Val {
	theirs, ok := other.(traits.Lister)
	if !ok || theirs.Size() != l.Size() {
		return types.False
	}
	for i, value := range l {
		if types.Equal(toValue(value), theirs.Get(types.Int(i))) != types.True {
			return types.False
		}
	}
	return types.True
}

// Type implements ref.Val.
func (l list) Type() ref.Type { return types.ListType }

// Value implements ref.Val.
func (l list) Value() any { return []any(l) }

// ConvertToType implements ref.Val.
func (l list) ConvertToType(to ref.Type) ref.Val { return l.asCEL().ConvertToType(to) }

// ConvertToNative implements ref.Val.
func (l list) ConvertToNative(to reflect.Type) (any, error) { return l.asCEL().ConvertToNative(to) }

func (l list) asCEL() traits.Lister {
	return types.NewDynamicList(adapter{types.DefaultTypeAdapter}, []any(l))
}

// iterator walks over values that are made when they are reached.
type iterator struct {
	next, size int
	at         func(int) ref.Val
}

// HasNext implements traits.Iterator.
func (it *iterator) HasNext() ref.Val { return types.Bool(it.next < it.size) }

// Next implements traits.Iterator.
func (it *iterator) Next() ref.Val {
	if it.next >= it.size {
		return nil
	}
	it.next++
	return it.at(it.next - 1)
}

// Type implements ref.Val.
func (it *iterator) Type() ref.Type { return types.IteratorType }

// Value implements ref.Val. Expressions cannot hold an iterator, so that there is none.
func (it *iterator) Value() any { return nil }

// Equal implements ref.Val.
func (it *iterator) Equal(ref.Val) ref.Val { return types.NewErr("no such overload") }

// ConvertToType implements ref.Val.
func (it *iterator) ConvertToType(ref.Type) ref.Val { return types.NewErr("no such overload") }

// ConvertToNative implements ref.Val.
func (it *iterator) ConvertToNative(reflect.Type) (any, error) {
	return nil, errNoConversion
}
