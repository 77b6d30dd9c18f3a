package cel

import (
	"errors"
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

var errNoConversion = errors.New("the value has no other representation")

// record is a value with declared fields, as messages have them in CEL: a field that is not set reads as its zero
// value, and has() and .? tell that it is not set.
type record struct {
	typ    *types.Type
	fields []field
}

type field struct {
	name  string
	value ref.Val
	// unset says that value is only the zero value.
	unset bool
}

var (
	_ traits.Indexer     = (*record)(nil)
	_ traits.FieldTester = (*record)(nil)
)

func (r *record) find(key ref.Val) *field {
	name, ok := key.(types.String)
	if !ok {
		return nil
	}
	for i := range r.fields {
		if r.fields[i].name == string(name) {
			return &r.fields[i]
		}
	}
	return nil
}

// Get implements traits.Indexer.
func (r *record) Get(key ref.Val) ref.Val {
	if f := r.find(key); f != nil {
		return f.value
	}
	return types.ValOrErr(key, "no such field: %v", key)
}

// IsSet implements traits.FieldTester.
func (r *record) IsSet(key ref.Val) ref.Val {
	f := r.find(key)
	return types.Bool(f != nil && !f.unset)
}

// Type implements ref.Val.
func (r *record) Type() ref.Type { return r.typ }

// Value implements ref.Val: the fields that are set.
func (r *record) Value() any {
	value := make(map[string]any, len(r.fields))
	for _, f := range r.fields {
		if !f.unset {
			value[f.name] = f.value
		}
	}
	return value
}

// Equal implements ref.Val.
func (r *record) Equal(other ref.Val) ref.Val {
	theirs, ok := other.(*record)
	if !ok || r.typ != theirs.typ {
		return types.False
	}
	for i := range r.fields {
		if types.Equal(r.fields[i].value, theirs.fields[i].value) != types.True {
			return types.False
		}
	}
	return types.True
}

// ConvertToType implements ref.Val.
func (r *record) ConvertToType(to ref.Type) ref.Val {
	switch to {
	case r.typ:
		return r
	case types.TypeType:
		return r.typ
	}
	return types.NewErr("type conversion error from '%s' to '%s'", r.typ.TypeName(), to.TypeName())
}

// ConvertToNative implements ref.Val.
func (r *record) ConvertToNative(reflect.Type) (any, error) { return nil, errNoConversion }
