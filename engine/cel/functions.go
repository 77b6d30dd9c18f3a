package cel

import (
	"math"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/assay-gitops/assay/policy"
)

// dynOptional is dyn() for optional values. Its name cannot be written in an expression: see mixValues.
const dynOptional = "@dyn_optional"

const (
	pathKeyOverload   = "path_key_string_string"
	pathIndexOverload = "path_key_string_int"
)

// functions are those that we add to Kubernetes' own:
//
//	pathKey(string, string) string // the path of a key in the map at a path
//	pathKey(string, int) string    // the path of an element of the list at a path
func functions() []cel.EnvOption {
	item := cel.TypeParamType("T")
	return []cel.EnvOption{
		cel.Function("pathKey",
			cel.Overload(pathKeyOverload, []*cel.Type{cel.StringType, cel.StringType}, cel.StringType,
				cel.BinaryBinding(func(base, key ref.Val) ref.Val {
					return pathJoin(base, policy.Key(string(key.(types.String))))
				})),
			cel.Overload(pathIndexOverload, []*cel.Type{cel.StringType, cel.IntType}, cel.StringType,
				cel.BinaryBinding(func(base, index ref.Val) ref.Val {
					if index.(types.Int) < 0 {
						return types.NewErr("pathKey: the index %d is negative", index)
					}
					return pathJoin(base, policy.Index(int(index.(types.Int))))
				})),
		),
		cel.Function(dynOptional,
			cel.Overload("dyn_optional", []*cel.Type{cel.OptionalType(item)}, cel.OptionalType(cel.DynType),
				cel.UnaryBinding(func(value ref.Val) ref.Val { return value }))),
	}
}

func pathJoin(base ref.Val, step policy.Step) ref.Val {
	path, next := string(base.(types.String)), policy.Path{step}.String()
	if path != "" && next[0] != '[' {
		path += "."
	}
	return types.String(path + next)
}

// functionCosts charges pathKey for the strings that it copies, as + is charged.
func functionCosts() cel.ProgramOption {
	perResult := func(_ []ref.Val, result ref.Val) *uint64 {
		path, _ := result.(types.String)
		cost := uint64(math.Ceil(float64(len(path)) * common.StringTraversalCostFactor))
		return &cost
	}
	return cel.CostTrackerOptions(
		interpreter.OverloadCostTracker(pathKeyOverload, perResult),
		interpreter.OverloadCostTracker(pathIndexOverload, perResult),
	)
}

// functionCostBounds is what pathKey costs at most.
func functionCostBounds() cel.EnvOption {
	perResult := func(_ checker.CostEstimator, _ *checker.AstNode, args []checker.AstNode) *checker.CallEstimate {
		// An index has fewer than 20 digits; in a key, every character may have to be escaped.
		size := checker.SizeEstimate{Max: 24}
		for i, factor := range []uint64{1, 2} {
			arg := args[i].ComputedSize()
			switch {
			case args[i].Type().Kind() != types.StringKind:
			case arg == nil:
				size = checker.UnknownSizeEstimate()
			default:
				size = size.Add(arg.Multiply(checker.FixedSizeEstimate(factor)))
			}
		}
		return &checker.CallEstimate{CostEstimate: size.MultiplyByCostFactor(common.StringTraversalCostFactor), ResultSize: &size}
	}
	return cel.CostEstimatorOptions(
		checker.OverloadCostEstimate(pathKeyOverload, perResult),
		checker.OverloadCostEstimate(pathIndexOverload, perResult),
	)
}
