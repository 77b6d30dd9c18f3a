package agentconfig

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that no log, event or report shows: whatever prints it prints stars. string(s) is the text.
type Secret string

// String is *** for a secret that is set, and empty for one that is not.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// Format prints String whatever the verb, so that neither %#v nor a wrong verb shows the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON, YAML and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
