package markdown

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRender(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		style            Style
	}{
		{
			name: "paragraphs are wrapped and kept apart",
			text: "one two three four\nfive\n\n\nsix\n", style: Style{Width: 9, Indent: "  "},
			want: "  one two\n  three\n  four\n  five\n\n  six\n",
		},
		{
			name: "items of lists hang",
			text: "- alpha beta gamma\n* delta\n  1. epsilon", style: Style{Width: 14},
			want: "• alpha beta\n  gamma\n• delta\n  1. epsilon\n",
		},
		{
			name: "code is left as it is",
			text: "Do:\n```yaml\nspec:\n  a: `b`  **c**\n\n# no heading\n```\nDone.", style: Style{Width: 10},
			want: "Do:\n  spec:\n    a: `b`  **c**\n\n  # no heading\nDone.\n",
		},
		{
			name: "emphasis and links without colour lose their marks",
			text: "## A *very* **bold** [move](https://example.org) with `a_b *c*`, snake_case_name ##",
			want: "A very bold move (https://example.org) with a_b *c*, snake_case_name\n",
		},
		{
			name: "with colour they stand out", text: "**x** `y z`", style: Style{Color: true},
			want: "\x1b[1mx\x1b[0m \x1b[36my\x1b[0m \x1b[36mz\x1b[0m\n",
		},
		{
			name: "sequences of the text do not reach the terminal", text: "a\x1b[31mb\u202Ec\x07\r\nd",
			want: "a\uFFFD[31mb\uFFFDc\uFFFD d\n",
		},
		{name: "a lonely backquote is a character", text: "a ` b", want: "a ` b\n"},
		{name: "nothing", text: "", want: "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Render(test.text, test.style)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRender(f *testing.F) {
	f.Add("# a\n- b `c` **d** [e](f)\n```\ng\n", 20)
	f.Fuzz(func(t *testing.T, text string, width int) {
		got := Render(text, Style{Width: width})
		if strings.ContainsAny(got, "\x1b\x07\r\u202E") {
			t.Errorf("control characters in %q", got)
		}
		if !strings.HasSuffix(got, "\n") {
			t.Errorf("the last line is not ended: %q", got)
		}
	})
}
