package library_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	psaapi "k8s.io/pod-security-admission/api"
	psa "k8s.io/pod-security-admission/policy"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// pods is how many pods each level is compared on.
const pods = 1000

// The Pod Security Standards are what Kubernetes' own admission plugin says they are: for every pod, our policies of a
// level find something exactly when the plugin refuses it.
func TestPodSecurityStandardsAgreeWithKubernetes(t *testing.T) {
	evaluator, err := psa.NewEvaluator(psa.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []psaapi.Level{psaapi.LevelBaseline, psaapi.LevelRestricted} {
		t.Run(string(level), func(t *testing.T) {
			snapshot := snapshotOf(t, func(p *v2.Policy) bool { return slices.Contains(p.Spec.Tags, "pod-security-"+string(level)) })
			random := rand.New(rand.NewPCG(1, 2))
			refused := 0
			for range pods {
				pod := (&podMaker{random}).pod()
				want := psa.AggregateCheckResults(evaluator.EvaluatePod(
					psaapi.LevelVersion{Level: level, Version: psaapi.LatestVersion()}, &pod.ObjectMeta, &pod.Spec))
				verdict := snapshot.Judge(t.Context(), &policy.Request{Object: &policy.Object{Content: contentOf(t, pod)}})
				if verdict.Err != nil {
					t.Fatal(verdict.Err)
				}
				if !want.Allowed {
					refused++
				}
				if want.Allowed != (len(verdict.Results) == 0) {
					text, err := json.MarshalIndent(pod, "", "  ")
					if err != nil {
						t.Fatal(err)
					}
					t.Fatalf("Kubernetes allows: %v (%s)\nwe find: %s\n%s", want.Allowed, want.ForbiddenDetail(), findings(verdict), text)
				}
			}
			if share := float64(refused) / pods; share < 0.2 || share > 0.8 {
				t.Errorf("%.0f %% of the pods are refused: the comparison says little", 100*share)
			}
		})
	}
}

// Every control is compared by itself too: a control that is always hidden by others would agree by chance.
func TestEachControlOfTheStandardsAgreesWithKubernetes(t *testing.T) {
	controls := []struct {
		check    psa.CheckID
		policies []string
	}{
		{"allowPrivilegeEscalation", []string{"weave.policies.containers-running-with-privilege-escalation"}},
		{"appArmorProfile", []string{"weave.policies.containers-overriding-apparmor-profile"}},
		{"capabilities_baseline", []string{"weave.policies.containers-running-with-unapproved-linux-capabilities"}},
		{"capabilities_restricted", []string{"weave.policies.containers-not-dropping-all-capabilities", "weave.policies.containers-running-with-unapproved-linux-capabilities"}},
		{"hostNamespaces", []string{"weave.policies.containers-sharing-host-network", "weave.policies.containers-sharing-host-pid", "weave.policies.containers-sharing-host-ipc"}},
		{"hostPathVolumes", []string{"weave.policies.containers-using-hostpath"}},
		{"hostPorts", []string{"weave.policies.containers-using-hostport"}},
		{"hostProbesAndHostLifecycle", []string{"weave.policies.containers-probing-other-hosts"}},
		{"privileged", []string{"weave.policies.containers-running-in-privileged-mode"}},
		{"procMount", []string{"weave.policies.containers-unmasking-proc"}},
		{"procMount_restricted", []string{"weave.policies.containers-unmasking-proc", "weave.policies.containers-unmasking-proc-in-user-namespace"}},
		{"restrictedVolumes", []string{"weave.policies.containers-using-restricted-volume-types", "weave.policies.containers-using-hostpath"}},
		{"runAsNonRoot", []string{"weave.policies.container-running-as-root"}},
		{"runAsUser", []string{"weave.policies.container-running-as-user"}},
		{"seLinuxOptions", []string{"weave.policies.containers-setting-selinux-options"}},
		{"seccompProfile_baseline", []string{"weave.policies.containers-disabling-seccomp"}},
		{"seccompProfile_restricted", []string{"weave.policies.containers-not-using-runtime-default-seccomp-profile", "weave.policies.containers-disabling-seccomp"}},
		{"sysctls", []string{"weave.policies.container-block-sysctl"}},
		{"windowsHostProcess", []string{"weave.policies.containers-running-as-windows-host-process"}},
	}
	checks := map[psa.CheckID]psa.Check{}
	for _, check := range psa.DefaultChecks() {
		checks[check.ID] = check
	}
	if len(checks) != len(controls) {
		t.Errorf("Kubernetes has %d checks, %d are compared", len(checks), len(controls))
	}
	for _, control := range controls {
		t.Run(string(control.check), func(t *testing.T) {
			check, ok := checks[control.check]
			if !ok {
				t.Fatal("Kubernetes has no such check")
			}
			latest := check.Versions[len(check.Versions)-1].CheckPod
			snapshot := snapshotOf(t, func(p *v2.Policy) bool { return slices.Contains(control.policies, p.Spec.ID) })
			random := rand.New(rand.NewPCG(3, 4))
			allowed := 0
			for range pods {
				pod := (&podMaker{random}).pod()
				want := latest(&pod.ObjectMeta, &pod.Spec)
				verdict := snapshot.Judge(t.Context(), &policy.Request{Object: &policy.Object{Content: contentOf(t, pod)}})
				if want.Allowed {
					allowed++
				}
				if want.Allowed != (len(verdict.Results) == 0) {
					text, err := json.MarshalIndent(pod.Spec, "", "  ")
					if err != nil {
						t.Fatal(err)
					}
					t.Fatalf("Kubernetes allows: %v (%s)\nwe find: %s\n%s", want.Allowed, want.ForbiddenDetail, findings(verdict), text)
				}
			}
			if allowed == 0 || allowed == pods {
				t.Errorf("%d of %d pods are allowed: the comparison says nothing", allowed, pods)
			}
		})
	}
}

func findings(v engine.Verdict) string {
	text := ""
	for _, result := range v.Results {
		for _, o := range result.Occurrences {
			text += fmt.Sprintf("\n  %s: %s: %s", result.Policy.Spec.ID, o.Path, o.Message)
		}
		if result.Err != nil {
			text += fmt.Sprintf("\n  %s failed: %v", result.Policy.Spec.ID, result.Err)
		}
	}
	return text
}

func contentOf(t *testing.T, pod *corev1.Pod) map[string]any {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
