package render

import (
	"strings"
	"testing"
)

func TestWhichKustomizationsAreBuilt(t *testing.T) {
	for name, test := range map[string]struct {
		// uses maps folders to those they include; a folder with an asterisk was asked for, one with a plus is a component.
		uses map[string]string
		want string
	}{
		"overlays, not their bases":              {map[string]string{"a": "base", "b": "base", "base": ""}, "a b"},
		"a base that was asked for":              {map[string]string{"a": "base", "base*": ""}, "a base*"},
		"no component":                           {map[string]string{"a": "c+", "c+": ""}, "a"},
		"no component that nobody includes":      {map[string]string{"c+": "", "d": ""}, "d"},
		"no component even if it was asked for":  {map[string]string{"c+*": ""}, ""},
		"a base of a component that is included": {map[string]string{"a": "c+", "c+": "b", "b": ""}, "a"},
		"a base of a component that is not":      {map[string]string{"c+": "b", "b": ""}, "b"},
		"one of a circle":                        {map[string]string{"a": "b", "b": "a"}, "a"},
		"one that includes itself":               {map[string]string{"a": "a"}, "a"},
		"what leads into a circle":               {map[string]string{"a": "b", "b": "a", "x": "b"}, "x"},
		"two that are apart":                     {map[string]string{"a": "b", "b": "a", "c": "d", "d": "c"}, "a c"},
	} {
		t.Run(name, func(t *testing.T) {
			units := map[unitKey]*unit{}
			for dir := range test.uses {
				units[unitKey{kustomization, dir}] = &unit{path: dir, real: dir, name: dir, explicit: strings.HasSuffix(dir, "*")}
			}
			selected, _ := selectKustomizations(sortedUnits(units),
				func(dir string) []string { return strings.Fields(test.uses[dir]) },
				func(dir string) bool { return strings.Contains(dir, "+") })
			var got []string
			for _, u := range selected {
				got = append(got, u.name)
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
