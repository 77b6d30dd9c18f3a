package agent

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestBrake(t *testing.T) {
	configMap := func(annotations map[string]string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: ConfigMapName, Annotations: annotations}}
	}
	var told []string
	b := &brake{logger: slog.New(slog.DiscardHandler)}
	b.changed = append(b.changed, func(_ context.Context, _ client.Object, reason string, on bool) {
		if !on {
			reason = "off"
		}
		told = append(told, reason)
	})
	steps := []struct {
		see    any
		gone   bool
		reason string
		on     bool
	}{
		{configMap(nil), false, "", false},
		{configMap(map[string]string{BrakeAnnotation: "INC-1:\n bad  policy"}), false, "INC-1: bad policy", true},
		{configMap(map[string]string{BrakeAnnotation: "INC-1: bad policy", "other": "x"}), false, "INC-1: bad policy", true},
		{configMap(map[string]string{BrakeAnnotation: ""}), false, "no reason given", true},
		{"rubbish", false, "no reason given", true},
		{configMap(map[string]string{"other": "x"}), false, "", false},
		{configMap(map[string]string{BrakeAnnotation: strings.Repeat("x", 500)}), false, strings.Repeat("x", maxReason-3) + "...", true},
		{configMap(map[string]string{BrakeAnnotation: "x"}), true, "", false},
	}
	for i, step := range steps {
		b.see(t.Context(), step.see, step.gone)
		if reason, on := b.state(); reason != step.reason || on != step.on {
			t.Errorf("step %d: %q, %t; want %q, %t", i, reason, on, step.reason, step.on)
		}
	}
	want := []string{"INC-1: bad policy", "no reason given", "off", strings.Repeat("x", maxReason-3) + "...", "off"}
	if strings.Join(told, "|") != strings.Join(want, "|") {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestTheEventAboutTheBrakeIsOneForAllReplicas(t *testing.T) {
	configMap := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "policy-system", Name: ConfigMapName, UID: "1", ResourceVersion: "7"}}
	on := brakeEvent(configMap, "INC-1", true, "a", time.Unix(1, 0))
	if other := brakeEvent(configMap, "INC-1", true, "b", time.Unix(2, 0)); other.Name != on.Name {
		t.Errorf("two replicas write %s and %s", on.Name, other.Name)
	}
	if on.Type != "Warning" || on.Note != "denials are warnings now: INC-1" {
		t.Errorf("on: %s, %s", on.Type, on.Note)
	}
	configMap.ResourceVersion = "8"
	off := brakeEvent(configMap, "", false, "a", time.Unix(3, 0))
	if off.Name == on.Name || off.Type != "Normal" || off.Reason != "EmergencyBrakeOff" {
		t.Errorf("off: %s, %s, %s", off.Name, off.Type, off.Reason)
	}
}

func TestHostOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://example.org": "example.org", "https://example.org:8443/x": "example.org", "https://10.0.0.1:443": "10.0.0.1",
		"https://[::1]:8443/y": "::1", "https://[::1]": "::1",
	} {
		if got := hostOf(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
