package events

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"

	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/internal/words"
)

const (
	// room is what annotations may have, in bytes. What is kept free is for those that are added afterwards.
	room = validation.TotalAnnotationSizeLimitB - 4096
	// maxShort bounds texts that should be one line, maxLong those that may be pages, once something has to be cut.
	maxShort = 1024
	maxLong  = 16 << 10
	// maxOccurrences bounds what is left of a list of occurrences that has to be cut.
	maxOccurrences = 64 << 10
)

// fit cuts annotations until the API server takes them, beginning with what is missed least: the manifest, which is in the
// cluster. JSON stays JSON: those who read events fail on anything else.
func fit(annotations map[string]string) {
	if size(annotations) <= room {
		return
	}
	var cut []string
	put := func(key, text string) {
		if text != annotations[key] {
			annotations[key] = text
			cut = append(cut, key)
		}
	}
	for _, step := range []func(){
		func() { put(keyManifest, shortManifest(annotations[keyManifest])) },
		func() { put(keyOccurrences, shortOccurrences(annotations[keyOccurrences])) },
		func() { put(keyParameters, "[]") },
		func() {
			put(keyDescription, words.Cut(annotations[keyDescription], maxLong))
			put(keyHowToSolve, words.Cut(annotations[keyHowToSolve], maxLong))
		},
		func() { put(keyStandards, "[]") },
		func() {
			for key, text := range annotations {
				if key != keyManifest && key != keyOccurrences && key != keyDescription && key != keyHowToSolve {
					put(key, words.Cut(text, maxShort))
				}
			}
		},
	} {
		step()
		if size(annotations) <= room {
			break
		}
	}
	slices.Sort(cut)
	annotations[AnnotationTruncated] = strings.Join(cut, ",")
}

func size(annotations map[string]string) (bytes int) {
	for key, value := range annotations {
		bytes += len(key) + len(value)
	}
	return bytes
}

// shortManifest is the JSON of what identifies the object of the manifest.
func shortManifest(manifest string) string {
	var object struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace, UID string }
	}
	_ = json.Unmarshal([]byte(manifest), &object) // what has another type is left out
	text, err := json.Marshal(identity(&weave.Entity{
		APIVersion: object.APIVersion, Kind: object.Kind, Name: object.Metadata.Name, Namespace: object.Metadata.Namespace, ID: object.Metadata.UID,
	}))
	if err != nil {
		return "{}"
	}
	return string(text)
}

// shortOccurrences is the JSON of as many occurrences as there is room for, each with a short message and without what would be
// recommended when that is long.
func shortOccurrences(occurrences string) string {
	var all []weave.Occurrence
	if err := unmarshal(occurrences, &all); err != nil {
		return "[]"
	}
	kept := []byte("[")
	for _, o := range all {
		o.Message = words.Cut(o.Message, maxShort)
		if o.ViolatingKey != nil {
			o.ViolatingKey = new(words.Cut(*o.ViolatingKey, maxShort))
		}
		if value, err := json.Marshal(o.RecommendedValue); err != nil || len(value) > maxShort {
			o.RecommendedValue = nil
		}
		text, err := json.Marshal(o)
		if err != nil || len(kept)+len(text) > maxOccurrences {
			break
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(kept, text...)
	}
	return string(append(kept, ']'))
}
