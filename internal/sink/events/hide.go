package events

import "strings"

// hidden stands for a value that is not shown.
const hidden = "***"

// secretKeys end the names, in lower case and without dashes and underscores, of fields whose texts are likely to be secret.
var secretKeys = []string{"password", "passwd", "passphrase", "token", "apikey", "privatekey", "secretkey", "accesskey", "clientsecret", "credentials"}

// hideSensitive copies what it changes of a manifest: the values of environment variables and of fields that are called like
// secrets are hidden, and annotations that repeat the whole object are gone. Of Secrets, all values are hidden already:
// see weave.Manifest. Events are read by more people than objects are, such as those with the role view.
func hideSensitive(manifest map[string]any) map[string]any {
	return hideFields("", manifest)
}

func hideFields(parent string, fields map[string]any) map[string]any {
	shown := make(map[string]any, len(fields))
	for key, value := range fields {
		switch v := value.(type) {
		case map[string]any:
			shown[key] = hideFields(key, v)
			continue
		case []any:
			shown[key] = hideItems(key, v)
			continue
		}
		switch {
		case parent == "annotations" && (strings.Contains(key, "last-applied") || strings.HasSuffix(key, "/applied")):
			continue
		case value != nil && value != "" && isSecretKey(key):
			shown[key] = hideText(value)
		default:
			shown[key] = value
		}
	}
	return shown
}

func hideItems(parent string, items []any) []any {
	shown := make([]any, len(items))
	for i, item := range items {
		switch v := item.(type) {
		case map[string]any:
			fields := hideFields("", v)
			name, _ := v["name"].(string)
			if value, set := v["value"]; set && value != nil && value != "" && (parent == "env" || isSecretKey(name)) {
				fields["value"] = hidden
			}
			shown[i] = fields
		case []any:
			shown[i] = hideItems(parent, v)
		default:
			shown[i] = item
			if isSecretKey(parent) {
				shown[i] = hideText(item)
			}
		}
	}
	return shown
}

// hideText hides a text or number; what is true or false is no secret.
func hideText(value any) any {
	if _, ok := value.(bool); ok {
		return value
	}
	return hidden
}

func isSecretKey(key string) bool {
	key = strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(key))
	for _, end := range secretKeys {
		if strings.HasSuffix(key, end) || strings.HasSuffix(key, end+"s") {
			return true
		}
	}
	return false
}
