package policy

// MaxDepth bounds how deep maps and lists may be nested in an object. Kubernetes' own types stay below 30; what walks
// objects recurses, and a stack is not bounded by what a stranger sends.
const MaxDepth = 1000

// TooDeep tells whether maps and lists are nested deeper than MaxDepth in JSON values.
func TooDeep(value any) bool { return deeper(value, MaxDepth) }

func deeper(value any, left int) bool {
	if left < 0 {
		return true
	}
	switch v := value.(type) {
	case map[string]any:
		for _, child := range v {
			if deeper(child, left-1) {
				return true
			}
		}
	case []any:
		for _, child := range v {
			if deeper(child, left-1) {
				return true
			}
		}
	}
	return false
}
