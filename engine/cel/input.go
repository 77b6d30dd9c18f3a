package cel

import (
	"context"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/assay-gitops/assay/policy"
)

// Input is one object with what is known about its request, prepared for any number of policies.
type Input struct {
	request *policy.Request

	// Made when first asked for, and the same for all policies.
	workload     ref.Val
	requestValue ref.Val
	small        *bool

	// What changes from policy to policy. The memory is used again for the next.
	ctx     context.Context
	program *Program
	params  map[string]any
	budget  budget
	// tracks says that what expressions cost is tracked and charged to the budget.
	tracks    bool
	variables variableValues
}

// content of the object; nil when there is none.
func (in *Input) content() map[string]any {
	if in.request.Object == nil {
		return nil
	}
	return in.request.Object.Content
}

// workloadValue is the value of the variable workload.
func (in *Input) workloadValue() ref.Val {
	if in.workload == nil {
		in.workload = workloadOf(in.content())
	}
	return in.workload
}

// isSmall tells whether all is small that expressions can read about the object.
func (in *Input) isSmall() bool {
	if in.small == nil {
		small := isSmall(in.content()) && isSmall(in.request.OldObject) && isSmall(in.request.Namespace) && in.hasFewContainers()
		if user := in.request.UserInfo; small && user != nil {
			small = len(user.Groups) <= maxItems && len(user.Extra) <= maxItems
			for _, values := range user.Extra {
				small = small && len(values) <= maxItems
			}
		}
		in.small = &small
	}
	return *in.small
}

// hasFewContainers tells whether the list of all containers, which the object holds in parts, is small.
func (in *Input) hasFewContainers() bool {
	workload, ok := in.workloadValue().(*record)
	if !ok {
		return true
	}
	containers, _ := workload.Get(types.String("containers")).(list)
	return len(containers) <= maxItems
}

// begin makes the input that of one evaluation of a policy.
func (in *Input) begin(ctx context.Context, program *Program, params map[string]any) {
	in.ctx, in.program, in.params = ctx, program, withDeclared(params, program.parameters)
	in.variables.input = in
	in.variables.reset(len(program.variables))
}

// end lets go of what the evaluation held.
func (in *Input) end() { in.ctx, in.program, in.params = nil, nil, nil }

// withDeclared adds the declared parameters that have no value, as null. Callers usually give all.
func withDeclared(params map[string]any, declared []string) map[string]any {
	missing := 0
	for _, name := range declared {
		if _, ok := params[name]; !ok {
			missing++
		}
	}
	if missing == 0 && params != nil {
		return params
	}
	all := make(map[string]any, len(params)+missing)
	for _, name := range declared {
		all[name] = nil
	}
	for name, value := range params {
		all[name] = value
	}
	return all
}

var _ cel.Activation = (*Input)(nil)

// ResolveName gives expressions the value of a variable; it implements cel.Activation.
func (in *Input) ResolveName(name string) (any, bool) {
	switch name {
	case objectVariable:
		return orNull(in.content()), true
	case workloadVariable:
		return in.workloadValue(), true
	case paramsVariable:
		return in.params, true
	case variablesVariable:
		return &in.variables, true
	case requestVariable:
		if in.requestValue == nil {
			in.requestValue = requestRecord(in.request)
		}
		return in.requestValue, true
	case oldObjectVariable:
		return orNull(in.request.OldObject), true
	case namespaceVariable:
		return orNull(in.request.Namespace), true
	}
	return nil, false
}

// Parent implements cel.Activation: there is none.
func (in *Input) Parent() cel.Activation { return nil }

// orNull is the map as it is, which attributes walk without converting it.
func orNull(m map[string]any) any {
	if m == nil {
		return types.NullValue
	}
	return m
}

// requestRecord is the value of the variable request. What the gate does not know is not set.
func requestRecord(r *policy.Request) *record {
	target := r.Object
	if target == nil || target.Content == nil {
		target = &policy.Object{Content: r.OldObject}
	}
	user := r.UserInfo
	if user == nil {
		user = &policy.UserInfo{}
	}
	groups := make(list, 0, len(user.Groups))
	for _, group := range user.Groups {
		groups = append(groups, group)
	}
	extra := make(object, len(user.Extra))
	for key, values := range user.Extra {
		entries := make([]any, 0, len(values))
		for _, value := range values {
			entries = append(entries, value)
		}
		extra[key] = entries
	}
	return &record{typ: requestType, fields: []field{
		text("operation", string(r.Operation)),
		text("name", target.Name()),
		text("namespace", target.Namespace()),
		{name: "kind", value: &record{typ: kindType, fields: []field{
			{name: "group", value: types.String(target.Group())},
			{name: "version", value: types.String(target.Version())},
			{name: "kind", value: types.String(target.Kind())},
		}}},
		text("subResource", r.Subresource),
		{name: "dryRun", value: types.Bool(r.DryRun)},
		{name: "userInfo", unset: r.UserInfo == nil, value: &record{typ: userInfoType, fields: []field{
			text("username", user.Username),
			text("uid", user.UID),
			{name: "groups", value: groups, unset: len(groups) == 0},
			{name: "extra", value: extra, unset: len(extra) == 0},
		}}},
	}}
}

func text(name, value string) field {
	return field{name: name, value: types.String(value), unset: value == ""}
}
