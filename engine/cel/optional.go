package cel

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// lazyOptionals makes `or` and `orValue` evaluate their alternative only when it is needed. cel-go gives these functions
// their meaning with a decorator of its own, which it applies to tracked programs and does not export.
func lazyOptionals() interpreter.PlannerOption {
	return interpreter.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, ok := i.(interpreter.InterpretableCall)
		if !ok || len(call.Args()) != 2 {
			return i, nil
		}
		either := optionalOr{id: call.ID(), optional: call.Args()[0], alternative: call.Args()[1]}
		switch {
		case call.Function() == "or" && (call.OverloadID() == "" || call.OverloadID() == "optional_or_optional"):
			return &either, nil
		case call.Function() == "orValue" && (call.OverloadID() == "" || call.OverloadID() == "optional_orValue_value"):
			either.unwrap = true
			return &either, nil
		}
		return i, nil
	})
}

// optionalOr is an optional value if there is one, else the alternative.
type optionalOr struct {
	id                    int64
	optional, alternative interpreter.InterpretableV2
	// unwrap yields what is in the optional value.
	unwrap bool
}

var _ interpreter.InterpretableV2 = (*optionalOr)(nil)

// ID implements interpreter.InterpretableV2.
func (o *optionalOr) ID() int64 { return o.id }

// Exec implements interpreter.InterpretableV2.
func (o *optionalOr) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	value := o.optional.Exec(frame)
	optional, ok := value.(*types.Optional)
	switch {
	case !ok && types.IsUnknownOrError(value):
		return value
	case !ok:
		return types.NewErrWithNodeID(o.id, "no such overload")
	case !optional.HasValue():
		return o.alternative.Exec(frame)
	case o.unwrap:
		return optional.GetValue()
	}
	return optional
}

// Eval implements interpreter.InterpretableV2.
func (o *optionalOr) Eval(vars interpreter.Activation) ref.Val {
	return o.Exec(interpreter.AsFrame(vars))
}
