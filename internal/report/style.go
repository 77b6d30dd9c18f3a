package report

import "github.com/fatih/color"

// style paints text, or not.
type style struct {
	bold, dim, red, yellow, blue, green, cyan func(format string, a ...any) string
}

func newStyle(colored bool) style {
	paint := func(attributes ...color.Attribute) func(string, ...any) string {
		c := color.New(attributes...)
		if colored {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c.SprintfFunc()
	}
	return style{
		bold: paint(color.Bold), dim: paint(color.Faint), red: paint(color.FgRed, color.Bold), yellow: paint(color.FgYellow, color.Bold),
		blue: paint(color.FgBlue, color.Bold), green: paint(color.FgGreen, color.Bold), cyan: paint(color.FgCyan),
	}
}
