package admission

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

// The API server sends warnings of at most 4096 characters for a request, those of all webhooks together; beyond, it cuts
// each to 256 and then drops the rest (WithWarningRecorder in k8s.io/apiserver/pkg/endpoints/filters). Both validating
// webhooks and the mutating one share that.
const (
	maxWarning            = 256
	maxValidatingWarnings = 1700
	maxMutatingWarnings   = 640
)

// warnings collects warnings within a number of characters.
type warnings struct {
	limit int
	texts []string
	used  int
	// left counts those that found no room.
	left int
}

// moreWarnings is what the last warning says of those that are not shown.
const moreWarnings = "assay: %d more warnings are not shown"

// add adds a warning, cut to what the API server passes on.
func (w *warnings) add(format string, args ...any) {
	if w.left > 0 {
		w.left++ // shown are the first, not those that happen to be short
		return
	}
	text := words.OneLine(fmt.Sprintf(format, args...), maxWarning)
	length := utf8.RuneCountInString(text)
	if w.used+length > w.limit-len(moreWarnings)-10 {
		w.left++
		return
	}
	w.texts, w.used = append(w.texts, text), w.used+length
}

// all are the warnings, with one that says how many more there are.
func (w *warnings) all() []string {
	if w.left == 0 {
		return w.texts
	}
	return append(w.texts, fmt.Sprintf(moreWarnings, w.left))
}

// addResult says that a policy is not satisfied, or could not tell.
func (w *warnings) addResult(result *policy.Result) {
	if w.left > 0 {
		w.left++
		return
	}
	about := fmt.Sprintf("%s (%s): %s: ", words.OneLine(result.Policy.Spec.ID, maxName), result.Policy.Spec.Severity, words.OneLine(entityOf(result.Object).short(), maxName))
	if result.Status == policy.Error {
		w.add("%scould not be evaluated: %s", about, errorText(result))
		return
	}
	w.add("%s%s", about, occurrencesText(result.Occurrences, maxWarning-utf8.RuneCountInString(about)))
}

// occurrencesText is the messages of the first occurrences, as many as fit, and how many more there are. Messages that say
// the same are said once.
func occurrencesText(occurrences []policy.Occurrence, limit int) string {
	// enough is how many messages a warning could hold at most.
	const enough = 8
	var b strings.Builder
	said := map[string]bool{}
	room := limit - len("; and 1000000 more")
	shown := 0
	for _, o := range occurrences[:min(len(occurrences), enough)] {
		message := words.OneLine(o.Message, maxWarning)
		if said[message] {
			shown++
			continue
		}
		if b.Len() > 0 && utf8.RuneCountInString(b.String())+2+utf8.RuneCountInString(message) > room {
			break
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		} else {
			message = words.OneLine(message, max(room, 20))
		}
		said[message] = true
		b.WriteString(message)
		shown++
	}
	if more := len(occurrences) - shown; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}
