package suggest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNearest(t *testing.T) {
	candidates := []string{
		"weave.policies.containers-sharing-host-network", "weave.policies.missing-liveness-probe",
		"weave.policies.missing-readiness-probe", "text", "json", "sarif",
	}
	for _, test := range []struct {
		name, input string
		want        []string
	}{
		{"letters are swapped", "txet", []string{"text"}},
		{"a letter is missing", "jsn", []string{"json"}},
		{
			"a slug with a typo: the nearest first", "missing-livenes-probe",
			[]string{"weave.policies.missing-liveness-probe", "weave.policies.missing-readiness-probe"},
		},
		{
			"a part of several", "-probe",
			[]string{"weave.policies.missing-liveness-probe", "weave.policies.missing-readiness-probe"},
		},
		{
			"an id with a typo in its prefix", "weaves.policies.containers-sharing-host-network",
			[]string{"weave.policies.containers-sharing-host-network"},
		},
		{"nothing resembles it", "qqqqqqqq", nil},
		{"nothing was given", "", nil},
		{"an endless name is not compared", strings.Repeat("json", 1000), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Nearest(test.input, candidates)); diff != "" {
				t.Errorf("Nearest(%q) (-want +got):\n%s", test.input, diff)
			}
		})
	}
}

func TestUnknownErrorSaysWhatToDo(t *testing.T) {
	err := Unknown("format", "jsn", []string{"json", "text"}, "see assay help check")
	if got, want := err.Error(), `unknown format "jsn"`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := err.Hint(), "did you mean json?\nsee assay help check"; got != want {
		t.Errorf("Hint() = %q, want %q", got, want)
	}
}
