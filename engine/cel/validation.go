package cel

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// The keys of a map that describes an occurrence.
const (
	messageEntry     = "message"
	pathEntry        = "path"
	recommendedEntry = "recommendedValue"
)

// maxOccurrences bounds what one validation may find in one object. Lists are added in constant time, so that a few
// additions make a list that no memory holds.
const maxOccurrences = 10_000

// evaluate returns the occurrences that the validation finds.
func (v *validation) evaluate(in *Input) ([]policy.Occurrence, error) {
	if v.occurrences != nil {
		value, err := v.occurrences.evaluate(in)
		if err != nil {
			return nil, err
		}
		return v.readOccurrences(value)
	}
	value, err := v.test.evaluate(in)
	if err != nil || value == types.True {
		return nil, err
	}
	occurrence, err := v.describe(in)
	return []policy.Occurrence{occurrence}, err
}

// describe says what is wrong when the test has failed. The violation is certain by now, so that an expression that
// only describes it cannot take it back: where one fails, the violation is reported without what it would have said.
// The error is that of a context or budget that has ended.
func (v *validation) describe(in *Input) (policy.Occurrence, error) {
	occurrence := policy.Occurrence{Message: v.message, Path: v.path}
	if v.messageExpression != nil {
		message, err := v.messageExpression.evaluate(in)
		if err != nil && stopped(err) {
			return occurrence, err
		}
		if text, ok := message.(types.String); ok && err == nil && usableMessage(string(text)) {
			occurrence.Message = strings.TrimSpace(string(text))
		}
	}
	if v.pathExpression != nil {
		path, err := v.pathExpression.evaluate(in)
		if err != nil && stopped(err) {
			return occurrence, err
		}
		if text, ok := path.(types.String); ok && err == nil && text != "" {
			occurrence.Path = string(text)
		}
	}
	if v.recommended != nil {
		value, err := v.recommended.evaluate(in)
		if err != nil && stopped(err) {
			return occurrence, err
		}
		if err == nil {
			// What has no JSON form cannot be recommended.
			occurrence.RecommendedValue, _ = toJSON(value)
		}
	}
	return occurrence, nil
}

// usableMessage has the rules of ValidatingAdmissionPolicy for what a messageExpression yields.
func usableMessage(message string) bool {
	message = strings.TrimSpace(message)
	return message != "" && len(message) <= celconfig.MaxEvaluatedMessageExpressionSizeBytes && !strings.Contains(message, "\n")
}

// testMessage is the message of a validation when no messageExpression gives one.
func testMessage(v *v2.CELValidation) string {
	if message := strings.TrimSpace(v.Message); message != "" {
		return message
	}
	return "failed expression: " + strings.TrimSpace(v.Expression)
}

// readOccurrences reads what an occurrences expression yields. One element of the wrong shape does not take back the
// others.
func (v *validation) readOccurrences(value ref.Val) ([]policy.Occurrence, error) {
	elements, ok := value.(traits.Lister)
	if !ok {
		return nil, v.shapeError("it must yield a list, but yields %s", typeName(value))
	}
	size, _ := elements.Size().(types.Int)
	if size == 0 {
		return nil, nil
	}
	if size > maxOccurrences {
		return nil, v.shapeError("it yields %d occurrences; no more than %d are read", size, maxOccurrences)
	}
	var firstErr error
	occurrences := make([]policy.Occurrence, 0, size)
	for i := types.Int(0); i < size; i++ {
		occurrence, err := v.readOccurrence(int(i), elements.Get(i))
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		occurrences = append(occurrences, occurrence)
	}
	return occurrences, firstErr
}

func (v *validation) readOccurrence(i int, element ref.Val) (policy.Occurrence, error) {
	occurrence := policy.Occurrence{Message: strings.TrimSpace(v.message)}
	switch element := element.(type) {
	case types.String:
		occurrence.Message = strings.TrimSpace(string(element))
	case traits.Mapper:
		for it := element.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			value := element.Get(key)
			if err := v.readEntry(&occurrence, i, key, value); err != nil {
				return occurrence, err
			}
		}
	default:
		return occurrence, v.shapeError("element %d must be a string or a map {message, path, recommendedValue}, but is %s", i, typeName(element))
	}
	if occurrence.Message == "" {
		return occurrence, v.shapeError("element %d has no message", i)
	}
	if len(occurrence.Message) > celconfig.MaxEvaluatedMessageExpressionSizeBytes {
		return occurrence, v.shapeError("the message of element %d is longer than %d bytes", i, celconfig.MaxEvaluatedMessageExpressionSizeBytes)
	}
	return occurrence, nil
}

func (v *validation) readEntry(occurrence *policy.Occurrence, i int, key, value ref.Val) error {
	name, _ := key.(types.String)
	text, isText := value.(types.String)
	switch name {
	case messageEntry, pathEntry:
		if !isText {
			return v.shapeError("the %s of element %d must be a string, but is %s", name, i, typeName(value))
		}
		if name == pathEntry {
			occurrence.Path = string(text)
		} else if message := strings.TrimSpace(string(text)); message != "" {
			occurrence.Message = message
		}
	case recommendedEntry:
		recommended, err := toJSON(value)
		if err != nil {
			return v.shapeError("the recommendedValue of element %d: %v", i, err)
		}
		occurrence.RecommendedValue = recommended
	default:
		return v.shapeError("element %d has the key %v; only message, path and recommendedValue are known", i, key)
	}
	return nil
}

func (v *validation) shapeError(format string, args ...any) error {
	return &policy.CodeError{Field: v.occurrences.field, Message: fmt.Sprintf(format, args...)}
}

func typeName(value ref.Val) string {
	if value == nil {
		return "nothing"
	}
	return value.Type().TypeName()
}
