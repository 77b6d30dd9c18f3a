package cel

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// sameAsAPIServer are validations of ValidatingAdmissionPolicy in the wild and of its documentation, one for each
// library, and some for the ways in which an expression fails.
var sameAsAPIServer = []string{
	`object.spec.replicas <= 5`,
	`object.spec.replicas > 5`,
	`object.spec.?replicas.orValue(1) > 1`,
	`has(object.spec.replicas) && object.spec.replicas >= params.replicas`,
	`object.spec.notThere == 1`,
	`has(object.spec.notThere)`,
	`has(object.spec.notThere.deeper)`,
	`object.spec.?notThere.?deeper.orValue("x") == "x"`,
	`object.spec.template.spec.containers[0].name == "web"`,
	`object.spec.template.spec.containers[9].name == "web"`,
	`object.spec.template.spec.containers[?9].hasValue()`,
	`object["spec"]["template"].spec.containers.size() == 2`,
	`object.spec.template.spec.containers.all(c, c.image.startsWith("registry.example.com/"))`,
	`object.spec.template.spec.containers.exists(c, c.name == "metrics")`,
	`object.spec.template.spec.containers.exists_one(c, has(c.ports))`,
	`object.spec.template.spec.containers.filter(c, !has(c.livenessProbe)).map(c, c.name) == ["metrics"]`,
	`object.spec.template.spec.containers.map(c, has(c.env), c.env.size()).sum() == 2`,
	`object.spec.template.spec.containers.all(c, c.securityContext.capabilities.drop.exists(d, d == "ALL"))`,
	`object.spec.template.spec.containers.all(c, c.livenessProbe.httpGet.path == "/live")`,
	`object.metadata.labels.all(key, key.size() > 3 && !key.startsWith("x"))`,
	`object.metadata.labels.filter(key, object.metadata.labels[key] == "checkout") == ["team"]`,
	`"team" in object.metadata.labels`,
	`object.metadata.labels["app.kubernetes.io/name"] == "web"`,
	`object.metadata.labels["missing"] == "web"`,
	`object.metadata.labels.?missing.orValue("none") == "none"`,
	`object.metadata.labels == {"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop", "team": "checkout"}`,
	`{"team": "checkout"} == object.metadata.annotations`,
	`object.metadata.labels.size() == 3 && size(object.spec.template.spec.volumes) == 1`,
	`object.metadata.labels.transformList(k, v, k + "=" + v).size() == 3`,
	`object.metadata.labels.transformMap(k, v, v.size()).all(k, v, v > 2)`,
	`object.spec.template.spec.containers.all(i, c, i < 2 && c.name != "")`,
	`object.spec.template.spec.containers.map(c, c.image).join(",").matches("^registry")`,
	`object.spec.template.spec.containers.map(c, c.name) + ["x"] == ["web", "metrics", "x"]`,
	`(object.spec.template.spec.containers + object.spec.template.spec.initContainers).all(c, has(c.image))`,
	`object.spec.template.spec.containers == object.spec.template.spec.containers.filter(c, true)`,
	`"b" in object.spec.template.spec.containers`,
	`{"name": dyn("tmp"), "emptyDir": dyn({})} in object.spec.template.spec.volumes`,
	`object.spec.template.spec.volumes[0] in [{"name": dyn("tmp"), "emptyDir": dyn({})}]`,
	`object.spec.template.spec.containers[0].env.map(e, e.name) == ["LOG_LEVEL", "REGION"]`,
	`["LOG_LEVEL", "REGION"] == object.spec.template.spec.containers[0].env.map(e, e.name)`,
	`object.spec.template.spec.containers[0].securityContext.capabilities.drop == ["ALL"]`,
	`["ALL"] == object.spec.template.spec.containers[0].securityContext.capabilities.drop`,
	`sets.equivalent(object.spec.template.spec.containers[0].securityContext.capabilities.drop, ["ALL", "ALL"])`,
	`object.spec.template.spec.containers[0].securityContext.capabilities.drop.join("-") == "ALL"`,
	`object.spec.template.spec.containers[0].securityContext.capabilities.drop.indexOf("ALL") == 0`,
	`object.spec.template.spec.containers.sortBy(c, c.name)[0].name == "metrics"`,
	`object.spec.template.spec.containers.slice(0, 1).size() == 1 && object.spec.template.spec.containers.reverse()[0].name == "metrics"`,
	`object.spec.template.spec.containers.first().hasValue()`,
	`"%s".format([object.spec.template.spec.volumes]) == "[{emptyDir: {}, name: tmp}]"`,
	`string(object.spec.replicas) == "3" && int("3") == object.spec.replicas && double(object.spec.replicas) == 3.0`,
	`quantity(object.spec.template.spec.containers[0].resources.limits.memory).isLessThan(quantity("1Gi"))`,
	`quantity(object.spec.template.spec.containers[0].resources.limits.memory).isLessThan(quantity("1Mi"))`,
	`quantity(object.metadata.name).isLessThan(quantity("1Mi"))`,
	`object.spec.template.spec.containers[0].image.find("[0-9]+\\.[0-9]+") == "2.7"`,
	`object.spec.template.spec.containers[0].image.split(":")[1] == "2.7.0"`,
	`semver("2.7.0").isGreaterThan(semver("1.0.0"))`,
	`url("https://" + object.spec.template.spec.containers[0].image).getHostname() == "registry.example.com"`,
	`ip("10.0.0.1").family() == 4 && cidr("10.0.0.0/8").containsIP("10.0.0.1")`,
	`!format.dns1123Label().validate(object.metadata.name).hasValue()`,
	`sets.contains(["a", "b"], ["a"])`,
	`object.spec.template.spec.containers.map(c, c.name).isSorted()`,
	`"%s has %d".format([object.metadata.name, object.spec.replicas]) == "web has 3"`,
	`object.metadata.name.charAt(0) == "w" && object.metadata.name.upperAscii() == "WEB"`,
	`object.spec.replicas == 3.0 && 3u == object.spec.replicas`,
	`object.spec.replicas / 0 == 1`,
	`object.spec.replicas + "1" == "31"`,
	`object.metadata.name > 3`,
	`object.metadata.name < object.metadata.namespace || false`,
	`object.spec.notThere || true`,
	`object.spec.notThere == 1 && false`,
	`type(object.spec.replicas) == int && type(object.metadata) == map && type(object.spec.template.spec.containers) == list`,
	`optional.ofNonZeroValue(object.metadata.labels).hasValue()`,
	`object == oldObject`,
	`oldObject.spec.replicas == 2`,
	`request.operation == "UPDATE" && request.name == "web" && request.namespace == "shop"`,
	`request.kind.group == "apps" && request.kind.version == "v1" && request.kind.kind == "Deployment"`,
	`request.userInfo.username == "alice" && "dev" in request.userInfo.groups`,
	`request.userInfo.extra["scopes"].exists(s, s == "write")`,
	`has(request.subResource)`,
	`has(request.namespace) && !request.dryRun`,
	`request.?subResource.orValue("none") == "none"`,
	`namespaceObject.metadata.labels["tier"] == "gold"`,
	`namespaceObject.metadata.name == "shop" && has(namespaceObject.metadata.labels)`,
	`namespaceObject.metadata.labels.exists(k, k == "tier")`,
	`params.replicas == 2 && params.nested.list[1] == "b"`,
	`params.missing == 1`,
	`params != null`,
	`[1, 2, 3].map(x, [1, 2, 3].map(y, x * y)).size() == 3`,
	`timestamp("2026-01-01T00:00:00Z") < timestamp("2027-01-01T00:00:00Z") && duration("1h") > duration("1m")`,
}

// notCompiling must compile neither here nor there.
var notCompiling = []string{
	`object.spec.replicas`,
	`object.`,
	`undeclared == 1`,
	`request.kind.kin == ""`,
	`namespaceObject.metadata.ownerReferences.size() == 0`,
	`"a" + 1 == "a1"`,
	`[1, "a"].size() == 2`,
	`{"name": "tmp", "emptyDir": {}} in object.spec.template.spec.volumes`,
	`cel.bind(s, object.spec, s.replicas == 3)`,
	`object.metadata.name.matches("(")`,
	`duration("1x") == duration("1s")`,
	`"text"`,
}

type apiServerExpression string

func (e apiServerExpression) GetExpression() string    { return string(e) }
func (e apiServerExpression) ReturnTypes() []*cel.Type { return []*cel.Type{cel.BoolType} }

func apiServer(expressions []string) plugincel.ConditionEvaluator {
	accessors := make([]plugincel.ExpressionAccessor, 0, len(expressions))
	for _, e := range expressions {
		accessors = append(accessors, apiServerExpression(e))
	}
	set := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	return plugincel.NewConditionCompiler(set).CompileCondition(accessors, plugincel.OptionalVariableDeclarations{HasParams: true}, environment.StoredExpressions)
}

func TestExpressionsYieldAndCostWhatTheyDoInTheAPIServer(t *testing.T) {
	object := fixture(t, "deployment.yaml")
	oldObject := fixture(t, "deployment.yaml")
	oldObject["spec"].(map[string]any)["replicas"] = int64(2)
	params := map[string]any{"replicas": int64(2), "nested": map[string]any{"list": []any{"a", "b"}}}

	gvk := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	gvr := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	alice := &user.DefaultInfo{Name: "alice", Groups: []string{"dev"}, Extra: map[string][]string{"scopes": {"read", "write"}}}
	theirs := &unstructured.Unstructured{Object: object}
	theirsOld := &unstructured.Unstructured{Object: oldObject}
	attributes := admission.NewAttributesRecord(theirs, theirsOld, gvk, "shop", "web", gvr, "", admission.Update, &metav1.UpdateOptions{}, false, alice)
	versioned, err := admission.NewVersionedAttributes(attributes, gvk, noConversion{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"tier": "gold"}}}

	compiler := newCompiler(t)
	in := compiler.NewInput(&policy.Request{
		Object:    &policy.Object{Content: object},
		OldObject: oldObject,
		Operation: policy.Update,
		UserInfo:  &policy.UserInfo{Username: "alice", Groups: alice.Groups, Extra: alice.Extra},
		Namespace: map[string]any{"metadata": map[string]any{"name": "shop", "labels": map[string]any{"tier": "gold"}}},
	})
	for _, expression := range sameAsAPIServer {
		t.Run(expression, func(t *testing.T) {
			results, left, err := apiServer([]string{expression}).ForInput(context.Background(), versioned,
				plugincel.CreateAdmissionRequest(attributes, metav1.GroupVersionResource(gvr), metav1.GroupVersionKind(gvk)),
				plugincel.OptionalVariableBindings{VersionedParams: &unstructured.Unstructured{Object: params}}, namespace, celconfig.RuntimeCELCostBudget)
			if err != nil {
				t.Fatal(err)
			}
			want := results[0]
			if want.Error != nil && strings.Contains(want.Error.Error(), "compilation") {
				t.Fatalf("the API server does not compile it: %v", want.Error)
			}
			p := withParameters(check(expression), "replicas", "nested", "missing")
			program := compile(t, compiler, p)
			program.parameters = nil // so that a missing parameter is missing, as it is there
			in.begin(context.Background(), program, params)
			defer in.end()
			in.tracks = true
			applies, occurrences, err := program.evaluate(in)
			spent := celconfig.RuntimeCELCostBudget - in.budget.left
			if program.bounded {
				in.tracks = false
				_, untracked, untrackedErr := program.evaluate(in)
				if diff := cmp.Diff(occurrences, untracked); diff != "" || fmt.Sprint(untrackedErr) != fmt.Sprint(err) {
					t.Errorf("without tracking the error is %v, with it %v; occurrences (-tracked +untracked):\n%s", untrackedErr, err, diff)
				}
				if bound := program.validations[0].test.bound; bound < spent {
					t.Errorf("it costs %d, but its bound is %d", spent, bound)
				}
			}
			if !applies {
				t.Fatal("the policy does not apply")
			}
			if (err != nil) != (want.Error != nil) {
				t.Fatalf("error %v; the API server's is %v", err, want.Error)
			}
			if err != nil {
				message := codeErrors(err)[0].Message
				if !strings.HasSuffix(want.Error.Error(), message) {
					t.Errorf("error %q; the API server's is %q", message, want.Error)
				}
				return
			}
			if got := len(occurrences) == 0; got != (want.EvalResult == types.True) {
				t.Errorf("satisfied is %v; the API server says %v", got, want.EvalResult)
			}
			if theirs := celconfig.RuntimeCELCostBudget - uint64(left); spent != theirs {
				t.Errorf("it costs %d; in the API server %d", spent, theirs)
			}
		})
	}
}

func TestWhatTheAPIServerRefusesIsRefused(t *testing.T) {
	compiler := newCompiler(t)
	for _, expression := range notCompiling {
		if errs := apiServer([]string{expression}).CompilationErrors(); len(errs) == 0 {
			t.Errorf("%s: the API server compiles it", expression)
		}
		if _, err := compiler.Compile(&v2.Policy{Spec: v2.PolicySpec{CEL: &v2.CELRule{Validations: []v2.CELValidation{{Expression: expression}}}}}); err == nil {
			t.Errorf("%s: it compiles", expression)
		}
	}
}

// TestDeclaredTypesAreThoseOfTheAPIServer keeps the types that we declare from drifting apart from the API server's.
func TestDeclaredTypesAreThoseOfTheAPIServer(t *testing.T) {
	ours := declaredTypes()
	for name, fields := range plugincel.BuildNamespaceType().Fields {
		typ, ok := ours[namespaceType.TypeName()][name]
		if !ok || typ.TypeName() != fields.Type.TypeName() {
			t.Errorf("Namespace.%s is %v; the API server's is %s", name, typ, fields.Type.TypeName())
		}
		for sub, field := range fields.Type.Fields {
			if got, ok := ours[typ.TypeName()][sub]; !ok || !got.IsExactType(field.Type.CelType()) {
				t.Errorf("Namespace.%s.%s is %v; the API server's is %v", name, sub, got, field.Type.CelType())
			}
		}
	}
	theirs := plugincel.BuildRequestType().Fields
	for name, typ := range ours[requestType.TypeName()] {
		if field, ok := theirs[name]; !ok || !typ.IsExactType(field.Type.CelType()) {
			t.Errorf("request.%s is %v; the API server's is another", name, typ)
		}
	}
}

// noConversion is for objects that have the wanted version already.
type noConversion struct{ admission.ObjectInterfaces }
