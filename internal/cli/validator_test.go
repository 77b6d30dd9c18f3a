package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArgumentsUnderTheNamesOfTheValidator(t *testing.T) {
	for _, test := range []struct {
		name       string
		args, want []string
	}{
		{"its own name changes nothing", []string{"/usr/bin/assay", "check", "-q"}, []string{"check", "-q"}},
		{
			"the old name is the check command, with one dash or two",
			[]string{"/bin/weave-policy-validator", "-path", "x", "--sarif", "y", "-q", "-", "--", "-z"},
			[]string{"check", "--path", "x", "--sarif", "y", "-q", "-", "--", "-z"},
		},
		{"the wrapper's name too", []string{"weave-validator.exe"}, []string{"check"}},
		{"no arguments at all", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := arguments(test.args)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
