package admission

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  managedFields: [{manager: kubectl}]
spec:
  replicas: 1
  template:
    spec:
      containers:
      - {name: main, image: nginx, securityContext: {privileged: true}}
      - {name: side, image: nginx, securityContext: {privileged: true}}
`

const compliant = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {owner: jane}}
spec:
  replicas: 3
  template: {spec: {containers: [{name: main, image: nginx}]}}
`

func labelled(manifest, labels string) string {
	return strings.Replace(manifest, "  name: web\n", "  name: web\n  labels: "+labels+"\n", 1)
}

func TestWhatPeopleSee(t *testing.T) {
	braked := func(s *stage) { s.Brake = func() (string, bool) { return "registry is\ndown", true } }
	for name, test := range map[string]struct {
		path    string
		request func(t *testing.T) *admissionv1.AdmissionRequest
		change  func(s *stage)
	}{
		"denied": {request: func(t *testing.T) *admissionv1.AdmissionRequest {
			return asked(t, labelled(deployment, "{break: x}"), "")
		}},
		"compliant": {request: func(t *testing.T) *admissionv1.AdmissionRequest { return asked(t, compliant, "") }},
		"warned": {request: func(t *testing.T) *admissionv1.AdmissionRequest {
			return asked(t, strings.Replace(compliant, ", labels: {owner: jane}", "", 1), "")
		}},
		"braked": {request: func(t *testing.T) *admissionv1.AdmissionRequest {
			return asked(t, labelled(deployment, "{break: x}"), "")
		}, change: braked},
		"fail": {path: "/admission/fail", request: func(t *testing.T) *admissionv1.AdmissionRequest {
			return asked(t, labelled(deployment, "{protected: 'true'}"), "")
		}},
		"ignore": {path: "/admission/ignore", request: func(t *testing.T) *admissionv1.AdmissionRequest {
			return asked(t, "", labelled(deployment, "{protected: 'true'}"))
		}},
		"generated-name": {request: func(t *testing.T) *admissionv1.AdmissionRequest {
			return asked(t, `{apiVersion: v1, kind: Pod, metadata: {generateName: web-, namespace: shop}, spec: {containers: [{name: a, securityContext: {privileged: true}}]}}`, "")
		}},
		"cluster-scoped": {request: func(t *testing.T) *admissionv1.AdmissionRequest {
			return asked(t, `{apiVersion: v1, kind: Namespace, metadata: {name: shop}}`, "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, policies(t)...)
			if test.change != nil {
				test.change(s)
			}
			path := test.path
			if path == "" {
				path = "/admission"
			}
			got := ask(t, Validating(s.Options), path+"?timeout=30s", test.request(t))
			golden(t, name+".txt", got.shown())
			if d := s.decision(t); d.Allowed != got.Allowed || d.Braked != (name == "braked") || d.Err != nil {
				t.Errorf("decision %+v", d)
			}
			if s.log.Len() > 0 {
				t.Errorf("logged %s", s.log.String())
			}
		})
	}
}

// The lines of the Weave Policy Agent, in its order, for those who read them by program.
func TestOldLinesAreKept(t *testing.T) {
	s := newStage(t, policies(t, "privileged")...)
	got := ask(t, Validating(s.Options), "/admission", asked(t, deployment, ""))
	want := strings.Repeat("=", 66) + `
Policy	: weave.policies.privileged
Entity	: deployment/web in namespace: shop
Occurrences:
- container 'main' is privileged
- container 'side' is privileged
`
	if !strings.HasPrefix(got.Result.Message, want) {
		t.Errorf("got\n%s\nwant it to begin with\n%s", got.Result.Message, want)
	}
	if got.Result.Code != http.StatusForbidden || got.Result.Reason != metav1.StatusReasonForbidden {
		t.Errorf("status %+v", got.Result)
	}
}

func TestDecisionsTellWhatWasAsked(t *testing.T) {
	s := newStage(t, policies(t)...)
	s.Namespace = func(_ context.Context, name string) (map[string]any, error) {
		return map[string]any{"metadata": map[string]any{"name": name}}, nil
	}
	ask(t, Validating(s.Options), "/admission", asked(t, deployment, compliant, func(r *admissionv1.AdmissionRequest) { *r.DryRun = true }))
	d := s.decision(t)
	if d.Webhook != "validating" || d.Operation != policy.Update || d.Resource != "apps/v1/deployments" || d.Namespace != "shop" || d.Name != "web" ||
		d.UID != "7b5c" || d.User != "jane" || !d.DryRun || d.Allowed || d.Exempt || d.Evaluated != 3 || len(d.Results) != 3 || d.Took <= 0 {
		t.Errorf("decision %+v", d)
	}
	metadata := d.Object.Content["metadata"].(map[string]any)
	if _, kept := metadata["managedFields"]; kept {
		t.Error("managedFields were not dropped")
	}
	if replicas := d.Object.Content["spec"].(map[string]any)["replicas"]; replicas != int64(1) {
		t.Errorf("replicas is %T %v, want an int64", replicas, replicas)
	}
}

func TestExceptedViolationsAreSilent(t *testing.T) {
	snapshot := compile(t, engine.Sources{Policies: policies(t, "privileged"), Exceptions: []*v2.PolicyException{{
		ObjectMeta: metav1.ObjectMeta{Name: "legacy"},
		Spec:       v2.PolicyExceptionSpec{Policies: []string{"weave.policies.privileged"}, Match: v2.PolicyExceptionMatch{Namespaces: []string{"shop"}}},
	}}}, engine.Options{})
	s := newStage(t)
	s.Snapshot = func() *engine.Snapshot { return snapshot }
	got := ask(t, Validating(s.Options), "/admission", asked(t, deployment, ""))
	if !got.Allowed || len(got.Warnings) > 0 {
		t.Errorf("got %s", got.shown())
	}
	if d := s.decision(t); len(d.Results) != 1 || d.Results[0].Status != policy.Excepted {
		t.Errorf("results %+v", d.Results)
	}
}

// A controller reference can be written by anybody. Believing it would let everything past.
func TestForgedControllerDoesNotBypassPolicies(t *testing.T) {
	owned := func(apiVersion, kind string) string {
		return fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, ownerReferences: [{apiVersion: %s, kind: %s, name: web, uid: u, controller: true}]}, spec: {containers: [{name: a, securityContext: {privileged: true}}]}}`, apiVersion, kind)
	}
	p := policies(t, "privileged")[0]
	p.Spec.Targets.Kinds = []string{"Pod", "Deployment", "ReplicaSet", "Widget"}
	p.Spec.Code = strings.Replace(p.Spec.Code, "spec = input.review.object.spec.template.spec\n", "", 1)
	for _, test := range []struct {
		name, user, apiVersion, kind string
		judged                       bool
	}{
		{"a user forges an owner", "jane", "apps/v1", "ReplicaSet", true},
		{"an account of a tenant forges an owner", "system:serviceaccount:shop:replicaset-controller", "apps/v1", "ReplicaSet", true},
		{"an account whose namespace only begins like kube-system", "system:serviceaccount:kube-system2:replicaset-controller", "apps/v1", "ReplicaSet", true},
		{"another account of kube-system", "system:serviceaccount:kube-system:ingress-controller", "apps/v1", "ReplicaSet", true},
		{"the controller of another kind", "system:serviceaccount:kube-system:job-controller", "apps/v1", "ReplicaSet", true},
		{"an administrator", "system:admin", "apps/v1", "ReplicaSet", true},
		{"a kind that no built-in controller is about", "system:kube-controller-manager", "example.org/v1", "Widget", true},
		{"the kind in another group", "system:kube-controller-manager", "example.org/v1", "ReplicaSet", true},
		{"the controller", "system:serviceaccount:kube-system:replicaset-controller", "apps/v1", "ReplicaSet", false},
		{"the controller manager with one account for all", "system:kube-controller-manager", "apps/v1", "ReplicaSet", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, p)
			got := ask(t, Validating(s.Options), "/admission", asked(t, owned(test.apiVersion, test.kind), "",
				func(r *admissionv1.AdmissionRequest) { r.UserInfo.Username = test.user }))
			if got.Allowed == test.judged {
				t.Errorf("allowed is %t:\n%s", got.Allowed, got.shown())
			}
		})
	}
}

func TestControllers(t *testing.T) {
	for apiVersionKind, want := range map[string]struct {
		account string
		is      policy.GroupKind
	}{
		"apps/v1 Deployment":       {"deployment-controller", policy.GroupKind{Group: "apps", Kind: "Deployment"}},
		"apps/v1 StatefulSet":      {"statefulset-controller", policy.GroupKind{Group: "apps", Kind: "StatefulSet"}},
		"apps/v1 DaemonSet":        {"daemon-set-controller", policy.GroupKind{Group: "apps", Kind: "DaemonSet"}},
		"batch/v1 Job":             {"job-controller", policy.GroupKind{Group: "batch", Kind: "Job"}},
		"batch/v1 CronJob":         {"cronjob-controller", policy.GroupKind{Group: "batch", Kind: "CronJob"}},
		"v1 ReplicationController": {"replication-controller", policy.GroupKind{Kind: "ReplicationController"}},
	} {
		apiVersion, kind, _ := strings.Cut(apiVersionKind, " ")
		owner := map[string]any{"apiVersion": apiVersion, "kind": kind, "controller": true}
		made := map[string]any{"metadata": map[string]any{"ownerReferences": []any{map[string]any{"kind": "X"}, owner}}}
		if got := controllerOf(made, "system:serviceaccount:kube-system:"+want.account); got != want.is {
			t.Errorf("%s: got %v", apiVersionKind, got)
		}
		owner["controller"] = false
		if got := controllerOf(made, controllerManager); got != (policy.GroupKind{}) {
			t.Errorf("%s: an owner that is no controller counts as %v", apiVersionKind, got)
		}
	}
}

func TestExemptRequestsAreAllowed(t *testing.T) {
	everything := policies(t, "owner-label")[0]
	everything.Spec.Enforce = nil
	for name, request := range map[string]*admissionv1.AdmissionRequest{
		"what is beside the agent":  asked(t, strings.Replace(deployment, "shop", "assay-system", 1), ""),
		"what is configured":        asked(t, strings.Replace(deployment, "shop", "flux-system", 1), ""),
		"a lease":                   asked(t, `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: x, namespace: shop}}`, ""),
		"the namespace kube-system": asked(t, `{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}`, ""),
	} {
		for state, snapshot := range map[string]*engine.Snapshot{"judging": compile(t, engine.Sources{Policies: []*v2.Policy{everything}}, engine.Options{}), "before there are policies": nil} {
			s := newStage(t)
			s.ExemptNamespaces = func() []string { return []string{"flux-system"} }
			s.Snapshot = func() *engine.Snapshot { return snapshot }
			got := ask(t, Validating(s.Options), "/admission/fail", request)
			if d := s.decision(t); got.AdmissionResponse == nil || !got.Allowed || !d.Exempt || !d.Allowed {
				t.Errorf("%s, %s: %s", name, state, got.shown())
			}
		}
	}
}

func TestExemptNamespacesMayChange(t *testing.T) {
	everything := policies(t, "owner-label")[0]
	everything.Spec.Enforce = nil
	snapshot := compile(t, engine.Sources{Policies: []*v2.Policy{everything}}, engine.Options{})
	s := newStage(t)
	s.Snapshot = func() *engine.Snapshot { return snapshot }
	exempt := []string{"shop"}
	s.ExemptNamespaces = func() []string { return exempt }
	handler := Validating(s.Options)
	for _, allowed := range []bool{true, false} {
		got := ask(t, handler, "/admission/fail", asked(t, deployment, ""))
		if d := s.decision(t); got.AdmissionResponse == nil || got.Allowed != allowed || d.Exempt != allowed {
			t.Errorf("exempt are %q: %s", exempt, got.shown())
		}
		exempt, s.decisions = nil, nil
	}
}

func TestFailuresOfTheGateAreLeftToFailurePolicy(t *testing.T) {
	unreadable := errors.New("connection refused")
	for name, test := range map[string]struct {
		change func(s *stage)
		code   int
		says   string
	}{
		"no policies yet": {
			func(s *stage) { s.Snapshot = func() *engine.Snapshot { return nil } },
			http.StatusServiceUnavailable, "policies are not compiled yet",
		},
		"the namespace cannot be read": {
			func(s *stage) {
				s.Namespace = func(context.Context, string) (map[string]any, error) { return nil, unreadable }
			},
			http.StatusInternalServerError, "reading the namespace shop of the object, which policies depend on: connection refused",
		},
		"a panic": {
			func(s *stage) {
				s.Namespace = func(context.Context, string) (map[string]any, error) { panic("secret things") }
			},
			http.StatusInternalServerError, "internal error of assay",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, policies(t)...)
			test.change(s)
			h := Validating(s.Options)
			got := ask(t, h, "/admission", asked(t, compliant, ""))
			if got.code != test.code || !strings.Contains(got.status.Message, test.says) || strings.Contains(got.status.Message, "secret") {
				t.Errorf("got %d %+v", got.code, got.status)
			}
			if d := s.decision(t); d.Err == nil || d.Allowed {
				t.Errorf("decision %+v", d)
			}
			if name == "a panic" && (strings.Contains(s.log.String(), "secret things") || !strings.Contains(s.log.String(), "validating_test.go")) {
				t.Errorf("the log has no stack, or what was in the object: %s", s.log.String())
			}

			s.Brake = func() (string, bool) { return "outage", true }
			got = ask(t, Validating(s.Options), "/admission", asked(t, compliant, ""))
			if got.AdmissionResponse == nil || !got.Allowed || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "emergency brake is on (outage): this was not judged: ") {
				t.Errorf("with the brake on: %s", got.shown())
			}
			if d := s.decisions[1]; d.Err == nil || !d.Allowed {
				t.Errorf("decision %+v", d)
			}
		})
	}
}

func TestMissingNamespaceIsNoError(t *testing.T) {
	s := newStage(t, policies(t)...)
	var looked string
	s.Namespace = func(_ context.Context, name string) (map[string]any, error) { looked = name; return nil, nil }
	if got := ask(t, Validating(s.Options), "/admission", asked(t, compliant, "")); got.AdmissionResponse == nil || !got.Allowed || looked != "shop" {
		t.Errorf("looked for %q, got %s", looked, got.shown())
	}
	looked = ""
	ask(t, Validating(s.Options), "/admission", asked(t, `{apiVersion: v1, kind: Namespace, metadata: {name: shop}}`, ""))
	if looked != "" {
		t.Errorf("looked for the namespace %q of a Namespace", looked)
	}
}

func TestNamespacesReachPolicies(t *testing.T) {
	p := policies(t, "privileged")[0]
	p.Spec.Targets.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"strict": "yes"}}
	for strict, allowed := range map[string]bool{"yes": false, "no": true} {
		s := newStage(t, p)
		s.Namespace = func(context.Context, string) (map[string]any, error) {
			return map[string]any{"metadata": map[string]any{"labels": map[string]any{"strict": strict}}}, nil
		}
		if got := ask(t, Validating(s.Options), "/admission", asked(t, deployment, "")); got.Allowed != allowed {
			t.Errorf("strict %s: %s", strict, got.shown())
		}
	}
}

// waiting makes requests reach the policies only when their time is over.
func waiting(s *stage) {
	s.Timeout = func() time.Duration { return 100 * time.Millisecond }
	s.Namespace = func(ctx context.Context, _ string) (map[string]any, error) { <-ctx.Done(); return nil, nil }
}

func TestRunningOutOfTime(t *testing.T) {
	for _, test := range []struct {
		name, path string
		open       bool
		want       string
	}{
		{"fail open by configuration", "/admission/fail", true, "allowed\nWarning: assay: not all policies were judged in time, 0 were: the answer is due within 50ms\naudit: null\n"},
		{"fail closed", "/admission/fail", false, "refused, Gateway Timeout, Timeout\nnot all policies were judged in time, 0 were: the answer is due within 50ms, and these policies fail closed (failurePolicy: Fail); try again" + "audit: null\n"},
		{"fail open", "/admission/ignore", false, "allowed\nWarning: assay: not all policies were judged in time, 0 were: the answer is due within 50ms\naudit: null\n"},
		{"as registered", "/admission", false, "HTTP Gateway Timeout: not all policies were judged in time, 0 were: the answer is due within 50ms\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := policies(t, "no-delete", "owner-label")
			p[0].Spec.Targets.Operations, p[1].Spec.Enforce = nil, nil
			s := newStage(t, p...)
			s.FailOpen = func() bool { return test.open }
			waiting(s)
			request := asked(t, labelled(deployment, "{protected: 'true'}"), "")
			if got := ask(t, Validating(s.Options), test.path, request).shown(); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if d := s.decision(t); d.Err == nil || d.Allowed != strings.HasPrefix(test.name, "fail open") {
				t.Errorf("decision %+v", d)
			}
			s.Brake = func() (string, bool) { return "slow", true }
			got := ask(t, Validating(s.Options), test.path, request)
			if got.AdmissionResponse == nil || !got.Allowed || !strings.Contains(strings.Join(got.Warnings, "\n"), "not all policies were judged in time") {
				t.Errorf("with the brake on: %s", got.shown())
			}
		})
	}
}

// What was found until the deadline refuses.
func TestViolationFoundBeforeTheDeadlineCounts(t *testing.T) {
	endless := parsePolicy(t, `{metadata: {name: z}, spec: {id: weave.policies.z, name: Endless, severity: low, targets: {kinds: [Deployment]}, code: "
package z
violation contains {\"msg\": \"never\"} if { some i in numbers.range(1, 1000000); some j in numbers.range(1, 1000000); i * j < 0 }
"}}`)
	s := newStage(t)
	snapshot := compile(t, engine.Sources{Policies: append(policies(t, "privileged"), endless)}, engine.Options{Timeout: time.Hour})
	s.Snapshot = func() *engine.Snapshot { return snapshot }
	// The time that the API server gives wins over what is configured.
	s.Timeout = func() time.Duration { return time.Hour }
	got := ask(t, Validating(s.Options), "/admission?timeout=1s", asked(t, deployment, ""))
	if got.AdmissionResponse == nil || got.Allowed || got.Result.Code != http.StatusForbidden || !strings.Contains(got.Result.Message, "weave.policies.privileged") ||
		len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "not all policies were judged in time") {
		t.Errorf("got %s", got.shown())
	}
}

func TestRequestsBeyondTheBoundWait(t *testing.T) {
	s := newStage(t, policies(t)...)
	s.MaxConcurrent = 1
	s.Timeout = func() time.Duration { return 200 * time.Millisecond }
	inside, leave := make(chan struct{}), make(chan struct{})
	s.Namespace = func(_ context.Context, name string) (map[string]any, error) {
		if name == "slow" {
			inside <- struct{}{}
			<-leave
		}
		return nil, nil
	}
	h := Validating(s.Options)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(t, h, "/admission", asked(t, strings.Replace(compliant, "shop", "slow", 1), ""))
	}()
	<-inside
	got := ask(t, h, "/admission", asked(t, compliant, ""))
	if got.code != http.StatusServiceUnavailable || !strings.Contains(got.shown(), "judging 1 requests at once") {
		t.Errorf("got %s", got.shown())
	}
	if lease := ask(t, h, "/admission", asked(t, `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: x, namespace: shop}}`, "")); !lease.Allowed {
		t.Error("a lease had to wait")
	}
	close(leave)
	<-done
	if got := ask(t, h, "/admission", asked(t, compliant, "")); got.AdmissionResponse == nil || !got.Allowed {
		t.Errorf("the place was not given back: %s", got.shown())
	}
}

// A policy can find any number of things, and say anything about them.
func TestHugeResultsAreCut(t *testing.T) {
	many := parsePolicy(t, `{metadata: {name: many}, spec: {id: weave.policies.many, name: Many, severity: high, targets: {kinds: [Deployment]}, code: "
package many
violation contains {\"msg\": sprintf(\"item %d\\n\\u001b[31m%s\", [i, input.review.object.metadata.annotations.long])} if { some i in numbers.range(1, 10000) }
"}}`)
	all := []*v2.Policy{many}
	for i := range 300 {
		p := policies(t, "owner-label")[0]
		p.Spec.ID = fmt.Sprintf("weave.policies.p%03d", i)
		if i < 250 {
			p.Spec.Enforce = nil
		}
		all = append(all, p)
	}
	s := newStage(t)
	snapshot := compile(t, engine.Sources{Policies: all}, engine.Options{Timeout: time.Minute})
	s.Snapshot = func() *engine.Snapshot { return snapshot }
	s.Timeout = func() time.Duration { return 2 * time.Minute }
	request := asked(t, strings.Replace(deployment, "  name: web\n", "  name: web\n  annotations: {long: '"+strings.Repeat("ü", 200)+"'}\n", 1), "")
	got := ask(t, Validating(s.Options), "/admission", request)
	if got.AdmissionResponse == nil || got.Allowed {
		t.Fatalf("got %s", got.shown())
	}
	text := got.Result.Message
	if len(text) > maxDenial {
		t.Errorf("the text has %d bytes", len(text))
	}
	for _, want := range []string{"- ... and 9980 more\n", "policies more refused this too and are not shown"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q", want)
		}
	}
	if strings.ContainsAny(text, "\x1b\r") {
		t.Error("the text has control characters")
	}
	total := 0
	for _, w := range got.Warnings {
		if n := utf8.RuneCountInString(w); n > maxWarning {
			t.Errorf("a warning has %d characters: %s", n, w)
		} else {
			total += n
		}
	}
	if last := got.Warnings[len(got.Warnings)-1]; total > maxValidatingWarnings || !strings.Contains(last, "more warnings are not shown") {
		t.Errorf("%d characters of warnings, the last is %q", total, last)
	}
	for key, value := range got.AuditAnnotations {
		if len(value) > maxAnnotation+100 {
			t.Errorf("annotation %s has %d bytes", key, len(value))
		}
	}
	if d := s.decision(t); len(d.Results[0].Occurrences) != 10000 {
		t.Errorf("the decision has %d occurrences, error %v", len(d.Results[0].Occurrences), d.Results[0].Err)
	}

	s.Brake = func() (string, bool) { return strings.Repeat("long ", 200), true }
	got = ask(t, Validating(s.Options), "/admission", request)
	if !got.Allowed || !strings.HasSuffix(got.Warnings[0], "this would have been denied") || utf8.RuneCountInString(got.Warnings[0]) > maxWarning {
		t.Errorf("the first warning is %q", got.Warnings[0])
	}
}

func TestConnectionsAreJudged(t *testing.T) {
	p := policies(t, "no-delete")[0]
	p.Spec.Targets = v2.PolicyTargets{Kinds: []string{"PodExecOptions"}, Operations: []string{"CONNECT"}, Subresources: []string{"exec"}, Namespaces: []string{"shop"}}
	connect := func(r *admissionv1.AdmissionRequest) {
		r.Operation, r.SubResource, r.Name, r.Namespace = admissionv1.Connect, "exec", "web-1", "shop"
	}
	for _, options := range []string{`{apiVersion: v1, kind: PodExecOptions, command: [sh]}`, `{apiVersion: v1, kind: PodExecOptions}`} {
		s := newStage(t, p)
		got := ask(t, Validating(s.Options), "/admission", asked(t, options, "", connect))
		if got.AdmissionResponse == nil || got.Allowed || !strings.Contains(got.Result.Message, "podexecoptions/web-1 in namespace: shop") {
			t.Errorf("got %s", got.shown())
		}
	}
	s := newStage(t, p)
	got := ask(t, Validating(s.Options), "/admission", asked(t, `{apiVersion: v1, kind: PodExecOptions}`, "", connect,
		func(r *admissionv1.AdmissionRequest) { r.Object.Raw = []byte("null") }))
	if got.AdmissionResponse == nil || got.Allowed {
		t.Errorf("a connection without options: %s", got.shown())
	}
}

func TestRecorderThatPanicsFailsNoRequest(t *testing.T) {
	s := newStage(t, policies(t)...)
	s.Record = func(context.Context, Decision) { panic("disk full") }
	if got := ask(t, Validating(s.Options), "/admission", asked(t, compliant, "")); got.AdmissionResponse == nil || !got.Allowed {
		t.Errorf("got %s", got.shown())
	}
	if !strings.Contains(s.log.String(), "recording a decision panicked") {
		t.Errorf("logged %q", s.log.String())
	}
}
