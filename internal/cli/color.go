package cli

// defaultWidth is how wide text is when nobody knows the terminal, maxWidth how wide at most, since long lines read badly.
const (
	defaultWidth = 100
	maxWidth     = 140
)

// wantsColor decides about colours by the flag, then by the conventions NO_COLOR, CLICOLOR_FORCE and FORCE_COLOR, then by
// whether a terminal that knows colours shows the output.
func wantsColor(env *Env, flag string) (bool, error) {
	switch flag {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
	default:
		return false, badFlag("color", flag, []string{"auto", "always", "never"})
	}
	forced := func(key string) bool { v := env.Getenv(key); return v != "" && v != "0" && v != "false" }
	switch {
	case env.Getenv("NO_COLOR") != "":
		return false, nil
	case forced("CLICOLOR_FORCE"), forced("FORCE_COLOR"):
		return true, nil
	}
	return env.StdoutIsTerminal && env.Getenv("TERM") != "dumb", nil
}

func textWidth(env *Env) int {
	if env.Width <= 0 {
		return defaultWidth
	}
	return min(env.Width, maxWidth)
}
