package cel

import (
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// variableValues is the value of the variable variables: each is evaluated when it is first read.
type variableValues struct {
	input  *Input
	values []ref.Val
}

var (
	_ traits.Indexer     = (*variableValues)(nil)
	_ traits.FieldTester = (*variableValues)(nil)
)

func (v *variableValues) reset(n int) {
	if cap(v.values) < n {
		v.values = make([]ref.Val, n)
		return
	}
	v.values = v.values[:n]
	clear(v.values)
}

func (v *variableValues) index(key ref.Val) int {
	name, _ := key.(types.String)
	for i := range v.values {
		if v.input.program.variables[i].name == string(name) {
			return i
		}
	}
	return -1
}

// Get implements traits.Indexer. What a variable costs counts against the budget of the policy, and an error in it is
// an error of whoever reads it.
func (v *variableValues) Get(key ref.Val) ref.Val {
	i := v.index(key)
	if i < 0 {
		return types.ValOrErr(key, "no such variable: %v", key)
	}
	if v.values[i] == nil {
		value, err := v.input.program.variables[i].evaluate(v.input)
		if err != nil {
			value = types.WrapErr(err)
		}
		v.values[i] = value
	}
	return v.values[i]
}

// IsSet implements traits.FieldTester.
func (v *variableValues) IsSet(key ref.Val) ref.Val { return types.Bool(v.index(key) >= 0) }

// Type implements ref.Val.
func (v *variableValues) Type() ref.Type { return variablesType }

// Value implements ref.Val. Expressions read variables one by one.
func (v *variableValues) Value() any { return nil }

// Equal implements ref.Val.
func (v *variableValues) Equal(other ref.Val) ref.Val { return types.Bool(other == ref.Val(v)) }

// ConvertToType implements ref.Val.
func (v *variableValues) ConvertToType(to ref.Type) ref.Val {
	if to == types.TypeType {
		return variablesType
	}
	return types.NewErr("type conversion error from '%s' to '%s'", variablesType.TypeName(), to.TypeName())
}

// ConvertToNative implements ref.Val.
func (v *variableValues) ConvertToNative(reflect.Type) (any, error) { return nil, errNoConversion }
