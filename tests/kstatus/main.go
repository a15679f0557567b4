// Command kstatus prints what kstatus, the library behind `kubectl`'s appliers, Flux and Helm's --wait, makes of
// objects: a line `namespace/name STATUS message` for each object that it reads.
//
// It reads YAML documents or JSON values from standard input; a list (`kubectl get … -o yaml`) counts as its items.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// Enough to tell YAML from JSON by the first bytes.
const lookAhead = 4096

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	decoder := yaml.NewYAMLOrJSONDecoder(in, lookAhead)
	for {
		var object unstructured.Unstructured
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(object.Object) == 0 {
			continue // an empty YAML document
		}
		if err := tell(&object, out); err != nil {
			return err
		}
	}
}

func tell(object *unstructured.Unstructured, out io.Writer) error {
	if object.IsList() {
		return object.EachListItem(func(item runtime.Object) error {
			one, ok := item.(*unstructured.Unstructured)
			if !ok {
				return fmt.Errorf("an item is a %T", item)
			}
			return tell(one, out)
		})
	}
	result, err := status.Compute(object)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	message := strings.Join(strings.Fields(result.Message), " ")
	_, err = fmt.Fprintf(out, "%s/%s %s %s\n", object.GetNamespace(), object.GetName(), result.Status, message)
	return err
}
