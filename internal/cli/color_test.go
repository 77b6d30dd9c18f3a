package cli

import "testing"

func TestColorFollowsFlagThenEnvironmentThenTerminal(t *testing.T) {
	for _, test := range []struct {
		name, flag  string
		environment map[string]string
		terminal    bool
		want        bool
	}{
		{"a terminal has colours", "auto", nil, true, true},
		{"a pipe has none", "auto", nil, false, false},
		{"a dumb terminal has none", "auto", map[string]string{"TERM": "dumb"}, true, false},
		{"NO_COLOR is heeded", "auto", map[string]string{"NO_COLOR": "1"}, true, false},
		{"an empty NO_COLOR says nothing", "auto", map[string]string{"NO_COLOR": ""}, true, true},
		{"CLICOLOR_FORCE is heeded", "auto", map[string]string{"CLICOLOR_FORCE": "1"}, false, true},
		{"CLICOLOR_FORCE=0 forces nothing", "auto", map[string]string{"CLICOLOR_FORCE": "0"}, false, false},
		{"NO_COLOR wins over CLICOLOR_FORCE", "auto", map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, true, false},
		{"the flag wins over NO_COLOR", "always", map[string]string{"NO_COLOR": "1"}, false, true},
		{"the flag wins over everything", "never", map[string]string{"CLICOLOR_FORCE": "1"}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := &Env{StdoutIsTerminal: test.terminal, Getenv: func(key string) string { return test.environment[key] }}
			got, err := wantsColor(env, test.flag)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("wantsColor = %v, want %v", got, test.want)
			}
		})
	}
}
