package cel

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

const service = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {a.b/c: d}}
spec: {type: NodePort, ports: [{port: 80}, {port: 443, nodePort: 30443}]}
`

func TestEvaluate(t *testing.T) {
	for _, test := range []struct {
		name, rule string
		object     string
		params     map[string]any
		// skipped says that the policy does not apply.
		skipped bool
		want    []policy.Occurrence
	}{
		{name: "a test that holds finds nothing",
			rule: `validations: [{expression: "object.kind == 'Service'"}]`},
		{name: "a test that fails without a message names its expression",
			rule: `validations: [{expression: " object.kind == 'Pod' "}]`,
			want: []policy.Occurrence{{Message: "failed expression: object.kind == 'Pod'"}}},
		{name: "a test that fails is described by constants",
			rule: `validations: [{expression: "object.spec.type != 'NodePort'", message: no node ports, path: spec.type}]`,
			want: []policy.Occurrence{{Message: "no node ports", Path: "spec.type"}}},
		{name: "a test that fails is described by expressions",
			rule: `validations: [{expression: "object.spec.type == params.type", message: unused, path: unused,
				messageExpression: "'not ' + object.spec.type", pathExpression: "'spec' + '.type'", recommendedValueExpression: params.type}]`,
			params: map[string]any{"type": "ClusterIP"},
			want:   []policy.Occurrence{{Message: "not NodePort", Path: "spec.type", RecommendedValue: "ClusterIP"}}},
		{name: "what only describes a violation cannot take it back",
			rule: `validations: [{expression: "false", message: sure, path: spec, messageExpression: "string(object.a)", pathExpression: "string(object.b)", recommendedValueExpression: object.c}]`,
			want: []policy.Occurrence{{Message: "sure", Path: "spec"}}},
		{name: "an empty message is none",
			rule: `validations: [{expression: "false", message: sure, messageExpression: "'  '"}]`,
			want: []policy.Occurrence{{Message: "sure"}}},
		{name: "a message of several lines is none",
			rule: `validations: [{expression: "false", messageExpression: '"a\nb"'}]`,
			want: []policy.Occurrence{{Message: "failed expression: false"}}},
		{name: "every validation is evaluated",
			rule: `validations: [{expression: "false", message: a}, {expression: "true"}, {expression: "false", message: c}]`,
			want: []policy.Occurrence{{Message: "a"}, {Message: "c"}}},
		{name: "no occurrences are none",
			rule: `validations: [{occurrences: "[]"}, {occurrences: "object.spec.ports.filter(p, p.port > 1000).map(p, string(p.port))"}]`},
		{name: "occurrences are messages",
			rule: `validations: [{occurrences: "object.spec.ports.map(p, 'port ' + string(p.port))"}]`,
			want: []policy.Occurrence{{Message: "port 80"}, {Message: "port 443"}}},
		{name: "occurrences are maps, with the index of a list",
			rule: `
validations:
- occurrences: |
    object.spec.ports.transformList(i, p, has(p.nodePort),
      {"message": "a node port", "path": pathKey("spec.ports", i) + ".nodePort", "recommendedValue": null})`,
			want: []policy.Occurrence{{Message: "a node port", Path: "spec.ports[1].nodePort"}}},
		{name: "occurrences of one expression have the keys they need",
			rule: `
validations:
- occurrences: |
    [{"message": "a"}] + [{"message": "b", "path": "spec"}] +
    [{"message": "c", ?"path": object.spec.?type, "recommendedValue": {"x": [1, 2]}}, {"message": "d", ?"path": object.spec.?none}]`,
			want: []policy.Occurrence{{Message: "a"}, {Message: "b", Path: "spec"},
				{Message: "c", Path: "NodePort", RecommendedValue: map[string]any{"x": []any{int64(1), int64(2)}}}, {Message: "d"}}},
		{name: "the message of the validation serves occurrences without one",
			rule: `validations: [{message: no node ports, occurrences: "[{'path': 'spec.ports[1]'}]"}]`,
			want: []policy.Occurrence{{Message: "no node ports", Path: "spec.ports[1]"}}},
		{name: "occurrences come from a variable",
			rule: `
variables:
- name: found
  expression: '[{"message": "a", "recommendedValue": 1.5}]'
validations:
- occurrences: variables.found`,
			want: []policy.Occurrence{{Message: "a", RecommendedValue: 1.5}}},
		{name: "a key with dots is quoted in a path",
			rule: `validations: [{occurrences: "object.metadata.labels.map(k, {'message': k, 'path': pathKey('metadata.labels', k)})"}]`,
			want: []policy.Occurrence{{Message: "a.b/c", Path: `metadata.labels["a.b/c"]`}}},
		{name: "a false match condition",
			rule:    `{matchConditions: [{name: a, expression: "true"}, {name: b, expression: "object.spec.type == 'ClusterIP'"}], validations: [{expression: "false"}]}`,
			skipped: true},
		{name: "a false match condition decides though another fails",
			rule:    `{matchConditions: [{name: a, expression: "object.nope == 1"}, {name: b, expression: "false"}], validations: [{expression: "false"}]}`,
			skipped: true},
		{name: "true match conditions",
			rule: `{matchConditions: [{name: a, expression: "object.spec.type == 'NodePort'"}], validations: [{expression: "false", message: a}]}`,
			want: []policy.Occurrence{{Message: "a"}}},
		{name: "variables build on each other",
			rule: `
variables:
- {name: ports, expression: object.spec.ports}
- {name: count, expression: variables.ports.size()}
matchConditions:
- {name: some, expression: variables.count > 0}
validations:
- {expression: variables.count < 2, messageExpression: 'string(variables.count) + " ports"'}`,
			want: []policy.Occurrence{{Message: "2 ports"}}},
		{name: "a variable that nobody reads is not evaluated",
			rule: `{variables: [{name: bad, expression: object.nope.nope}], validations: [{expression: "true || variables.bad == 1"}]}`},
		{name: "declared parameters without a value are null",
			rule: `validations: [{expression: "params.type == null && has(params.type)"}]`},
		{name: "null is what is not known",
			rule: `validations: [{expression: "oldObject == null && namespaceObject == null && namespaceObject.?metadata.?name.orValue('') == ''"}]`},
		{name: "a policy that uses workload skips objects without a pod",
			rule: `validations: [{expression: "workload.spec.hostNetwork == false"}]`, skipped: true},
		{name: "a policy that uses workload anywhere skips objects without a pod",
			rule: `{variables: [{name: c, expression: workload.containers}], validations: [{expression: "variables.c.size() > 0"}, {expression: "false"}]}`, skipped: true},
		{name: "a policy that compares workload with null sees all objects",
			rule: `validations: [{expression: "workload == null || workload.containers.size() > 9"}, {expression: "workload != null", message: no pod}]`,
			want: []policy.Occurrence{{Message: "no pod"}}},
		{name: "a name that a macro gives is not the variable",
			rule: `validations: [{expression: "[{'x': 1}].all(workload, workload.x == 1) && [{'x': 1}].all(params, params.x == 1)"}]`},
		{name: "an object that only looks like a workload",
			object: "{kind: Deployment, spec: {template: none}}",
			rule:   `validations: [{expression: "workload.path == ''"}]`, skipped: true},
		{name: "what is no container is skipped, and the indexes stay",
			object: "{kind: Pod, spec: {containers: [null, a, {name: b}], initContainers: 3}}",
			rule:   `validations: [{occurrences: "workload.containers.map(c, c.type + ' ' + c.name + ' ' + c.path + ' ' + string(c.index))"}]`,
			want:   []policy.Occurrence{{Message: "container b spec.containers[2] 2"}}},
		{name: "the metadata of a pod template",
			object: "{kind: CronJob, spec: {jobTemplate: {spec: {template: {metadata: {labels: {a: b}}, spec: {}}}}}}",
			rule:   `validations: [{expression: "workload.metadata.labels.a != 'b'", pathExpression: "workload.metadataPath + '.labels'", messageExpression: workload.path}]`,
			want:   []policy.Occurrence{{Message: "spec.jobTemplate.spec.template.spec", Path: "spec.jobTemplate.spec.template.metadata.labels"}}},
		{name: "the metadata of a pod is its own",
			object: "{kind: Pod, metadata: {name: x}, spec: {}}",
			rule:   `validations: [{expression: "workload.metadata.name == 'x' && workload.metadataPath == 'metadata' && workload.containers == []"}]`},
		{name: "a pod template without metadata has empty metadata",
			object: "{kind: Job, spec: {template: {spec: {}}}}",
			rule:   `validations: [{expression: "!has(workload.metadata.labels) && workload.metadata == {}"}]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := test.object
			if object == "" {
				object = service
			}
			p := withParameters(rule(t, strings.ReplaceAll(test.rule, "\t", " ")), "type")
			applies, got, err := evaluate(t, p, request(content(t, object)), test.params)
			if err != nil {
				t.Fatal(err)
			}
			if applies == test.skipped {
				t.Errorf("applies = %v", applies)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("occurrences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestTellsWhatTheGateKnows(t *testing.T) {
	known := &policy.Request{
		Object:      &policy.Object{Content: content(t, service)},
		Operation:   policy.Delete,
		Subresource: "status",
		DryRun:      true,
		UserInfo:    &policy.UserInfo{Username: "alice", UID: "7", Groups: []string{"dev"}, Extra: map[string][]string{"scopes": {"read"}}},
	}
	for _, test := range []struct {
		name, expression string
		request          *policy.Request
	}{
		{"all is known", `request.operation == "DELETE" && request.subResource == "status" && request.dryRun && request.name == "web" &&
			request.namespace == "shop" && request.kind == request.kind && request.kind.kind == "Service" && request.kind.group == "" && request.kind.version == "v1" &&
			request.userInfo.username == "alice" && request.userInfo.uid == "7" && request.userInfo.groups == ["dev"] && request.userInfo.extra.scopes == ["read"]`, known},
		{"what is known is set", `has(request.operation) && has(request.userInfo.username) && request.?namespace.hasValue()`, known},
		{"what is not known reads as empty", `request.operation == "" && request.subResource == "" && !request.dryRun && request.namespace == "" &&
			request.userInfo.username == "" && request.userInfo.groups == [] && request.userInfo.extra == {}`, request(map[string]any{"kind": "Namespace"})},
		{"what is not known is not set", `!has(request.operation) && !has(request.userInfo) && !has(request.userInfo.username) && !request.?namespace.hasValue()`,
			request(map[string]any{"kind": "Namespace"})},
		{"an object that is deleted", `object == null && oldObject.kind == "Service" && request.name == "web" && request.kind.kind == "Service"`,
			&policy.Request{OldObject: content(t, service)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got, err := evaluate(t, check(test.expression), test.request, nil)
			if err != nil || len(got) > 0 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestWhatFailsOnAnObjectIsToldWithItsPlace(t *testing.T) {
	for _, test := range []struct {
		name, rule string
		want       []string
		// found are the messages of the validations that did not fail.
		found []string
	}{
		{"a missing key", `validations: [{expression: "true && object.spec.replicas > 1"}]`,
			[]string{"spec.cel.validations[0].expression:1:20: no such key: replicas"}, nil},
		{"a key of what is no map", `validations: [{expression: "object.kind.x == 1"}]`,
			[]string{"spec.cel.validations[0].expression:1:12: no such key: x"}, nil},
		{"types that do not fit", `validations: [{expression: "object.spec.type + object.spec.ports == 'x'"}]`,
			[]string{"spec.cel.validations[0].expression"}, nil},
		{"what the others found is kept", `validations: [{expression: "object.nope == 1"}, {expression: "false", message: b}, {occurrences: "object.nope"}]`,
			[]string{"spec.cel.validations[0].expression:1:7: no such key: nope", "spec.cel.validations[2].occurrences:1:7: no such key: nope"}, []string{"b"}},
		{"a match condition", `{matchConditions: [{name: a, expression: "true"}, {name: b, expression: "object.nope == 1"}], validations: [{expression: "false"}]}`,
			[]string{"spec.cel.matchConditions[1].expression:1:7: no such key: nope"}, nil},
		{"a variable is to blame for what fails in it", `{variables: [{name: a, expression: "1"}, {name: b, expression: "object.nope + 1"}], validations: [{expression: "variables.b == variables.a"}]}`,
			[]string{"spec.cel.variables[1].expression:1:7: no such key: nope"}, nil},
		{"occurrences that turn out to be no list", `validations: [{occurrences: "object.spec"}]`,
			[]string{"spec.cel.validations[0].occurrences: it must yield a list, but yields map"}, nil},
		{"an occurrence that turns out to be neither string nor map", `validations: [{occurrences: "[dyn('a'), dyn(object.spec.ports), dyn('b')]"}]`,
			[]string{"spec.cel.validations[0].occurrences: element 1 must be a string or a map {message, path, recommendedValue}, but is list"}, []string{"a", "b"}},
		{"an occurrence without a message", `validations: [{occurrences: "[{'path': 'a'}]"}]`,
			[]string{"spec.cel.validations[0].occurrences: element 0 has no message"}, nil},
		{"an occurrence with a misspelt key", `validations: [{occurrences: "[{'message': 'a', 'recommended': 1}]"}]`,
			[]string{"spec.cel.validations[0].occurrences: element 0 has the key recommended; only message, path and recommendedValue are known"}, nil},
		{"a message that is no string", `validations: [{occurrences: "[{'message': 1}]"}]`,
			[]string{"spec.cel.validations[0].occurrences: the message of element 0 must be a string, but is int"}, nil},
		{"a message without end", `validations: [{occurrences: "['%s'.format([object.spec.long])]"}]`,
			[]string{"spec.cel.validations[0].occurrences: the message of element 0 is longer than 5120 bytes"}, nil},
		{"a value that has no JSON form", `validations: [{occurrences: "[{'message': 'a', 'recommendedValue': request.kind}]"}]`,
			[]string{"spec.cel.validations[0].occurrences: the recommendedValue of element 0"}, nil},
		{"a negative index", `validations: [{expression: "pathKey('a', -1) == ''"}]`,
			[]string{"spec.cel.validations[0].expression:1:8: pathKey: the index -1 is negative"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := content(t, service)
			object["spec"].(map[string]any)["long"] = strings.Repeat("x", 6000)
			applies, found, err := evaluate(t, rule(t, test.rule), request(object), nil)
			if !applies {
				t.Error("a policy that fails must not count as one that does not apply")
			}
			got := codeErrors(err)
			if len(got) != len(test.want) {
				t.Fatalf("%d errors, want %d: %v", len(got), len(test.want), err)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i].Error(), want) {
					t.Errorf("error %d:\n got %s\nwant %s", i, got[i], want)
				}
			}
			var messages []string
			for _, occurrence := range found {
				messages = append(messages, occurrence.Message)
			}
			if diff := cmp.Diff(test.found, messages); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

// dear is an expression that takes no time and yet costs a third of what an expression may cost. dearest costs more
// than that.
const (
	dear    = "!object.spec.long.contains(object.spec.long + 'x')"
	dearest = "!(object.spec.long + object.spec.long).contains(object.spec.long + object.spec.long + 'x')"
)

// longSpec is an object with a string that makes them so.
func longSpec(t *testing.T) *policy.Request {
	object := content(t, service)
	object["spec"].(map[string]any)["long"] = strings.Repeat("x", 6000)
	return request(object)
}

func TestAnExpressionThatCostsTooMuchIsStopped(t *testing.T) {
	_, found, err := evaluate(t, rule(t, "validations: [{expression: \""+dearest+"\"}, {expression: 'false'}]"), longSpec(t), nil)
	got := codeErrors(err)
	if len(got) != 1 || got[0].Field != "spec.cel.validations[0].expression" || !strings.Contains(got[0].Message, "limit of 1000000 units") {
		t.Errorf("err = %v", err)
	}
	if len(found) != 1 {
		t.Errorf("the second validation found %v", found)
	}
}

func TestAPolicyThatCostsTooMuchIsStopped(t *testing.T) {
	p := check(dear)
	for len(p.Spec.CEL.Validations) < 100 {
		p.Spec.CEL.Validations = append(p.Spec.CEL.Validations, p.Spec.CEL.Validations[0])
	}
	_, _, err := evaluate(t, p, longSpec(t), nil)
	if err == nil || !strings.Contains(err.Error(), "cost budget of 10000000 units") {
		t.Errorf("err = %v", err)
	}
	conditions := &v2.CELRule{Validations: []v2.CELValidation{{Expression: "true"}}}
	for range 20 {
		conditions.MatchConditions = append(conditions.MatchConditions, v2.CELMatchCondition{Name: "a", Expression: dear})
	}
	_, _, err = evaluate(t, &v2.Policy{Spec: v2.PolicySpec{CEL: conditions}}, longSpec(t), nil)
	if err == nil || !strings.Contains(err.Error(), "cost budget of 2500000 units") {
		t.Errorf("err = %v", err)
	}
}

func TestAVariableIsEvaluatedOnce(t *testing.T) {
	p := rule(t, "{variables: [{name: dear, expression: \""+dear+"\"}], validations: [{expression: variables.dear}]}")
	for len(p.Spec.CEL.Validations) < 100 {
		p.Spec.CEL.Validations = append(p.Spec.CEL.Validations, p.Spec.CEL.Validations[0])
	}
	compiler := newCompiler(t)
	program, in := compile(t, compiler, p), compiler.NewInput(longSpec(t))
	for range 2 {
		if _, _, err := program.Evaluate(context.Background(), in, nil); err != nil {
			t.Errorf("a hundred uses exhaust the budget: %v", err)
		}
	}
}

func TestVariablesDoNotOutliveAnEvaluation(t *testing.T) {
	compiler := newCompiler(t)
	p := withParameters(rule(t, `{variables: [{name: v, expression: params.v}], validations: [{expression: "variables.v == params.v"}]}`), "v")
	program, in := compile(t, compiler, p), compiler.NewInput(request(content(t, service)))
	for _, value := range []any{int64(1), "two", nil} {
		if _, found, err := program.Evaluate(context.Background(), in, map[string]any{"v": value}); err != nil || len(found) > 0 {
			t.Errorf("%v: %v, %v", value, found, err)
		}
	}
}

func TestTheDeadlineStopsAnEvaluation(t *testing.T) {
	object := content(t, service)
	many := make([]any, 100_000)
	for i := range many {
		many[i] = "x"
	}
	object["spec"].(map[string]any)["many"] = many
	compiler := newCompiler(t)
	program := compile(t, compiler, rule(t, `{variables: [{name: a, expression: "object.spec.many.all(x, x == 'x')"}], validations: [{expression: variables.a}, {expression: "false"}]}`))
	in := compiler.NewInput(request(object))

	t.Run("while it runs", func(t *testing.T) {
		// Alone, the evaluation would take many seconds.
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, found, err := program.Evaluate(ctx, in, nil)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "spec.cel.variables[0].expression") {
			t.Errorf("err = %v", err)
		}
		if len(found) > 0 {
			t.Errorf("evaluated after the deadline: %v", found)
		}
	})
	t.Run("before it runs", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, _, err := program.Evaluate(ctx, in, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestLargeListsDoNotExhaustMemory(t *testing.T) {
	p := rule(t, `{variables: [{name: v0, expression: "['a', 'b']"}], validations: [{expression: "true"}]}`)
	names := "v0"
	for i := 1; i < 40; i++ {
		names = "v" + strings.Repeat("x", i)
		previous := p.Spec.CEL.Variables[i-1].Name
		p.Spec.CEL.Variables = append(p.Spec.CEL.Variables, v2.CELVariable{Name: names, Expression: "variables." + previous + " + variables." + previous})
	}
	p.Spec.CEL.Validations = []v2.CELValidation{
		{Occurrences: "variables." + names},
		{Expression: "false", Message: "b", RecommendedValueExpression: "variables." + names},
	}
	_, found, err := evaluate(t, p, request(content(t, service)), nil)
	if got := codeErrors(err); len(got) != 1 || !strings.Contains(got[0].Message, "no more than 10000 are read") {
		t.Errorf("err = %v", err)
	}
	if len(found) != 1 || found[0].RecommendedValue != nil {
		t.Errorf("found %v", found)
	}
}
