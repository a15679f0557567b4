// Command flux asks Flux's own packages what they make of objects: kstatus as Flux has it, and the health check
// expressions of docs/gitops/flux. A line `ok what` or `FAILED what: why` for each check.
//
//	flux REPOSITORY
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

var failures int

func check(what, expected, actual string) {
	if expected == actual {
		fmt.Println("ok", what)
		return
	}
	failures++
	fmt.Printf("FAILED %s: expected %s, Flux says %s\n", what, expected, actual)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: flux REPOSITORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "flux:", err)
		os.Exit(1)
	}
	if failures > 0 {
		os.Exit(1)
	}
}

func run(root string) error {
	evaluators, err := expressions(filepath.Join(root, "docs/gitops/flux/kustomizations.yaml"))
	if err != nil {
		return err
	}
	tenants, ok := evaluators["DefenderTenant"]
	if !ok || len(evaluators) != 1 {
		return errors.New("the Kustomizations should have expressions for DefenderTenant and for nothing else")
	}
	for _, file := range []string{"reasons.json", "applications.json"} {
		objects, err := read(filepath.Join(root, "tests/kstatus", file))
		if err != nil {
			return err
		}
		if len(objects) == 0 {
			return fmt.Errorf("%s is empty", file)
		}
		for _, object := range objects {
			if err := judge(object, tenants); err != nil {
				return fmt.Errorf("%s: %w", object.GetName(), err)
			}
		}
	}
	return nil
}

func judge(object *unstructured.Unstructured, tenants *cel.StatusEvaluator) error {
	annotations := object.GetAnnotations()
	expected := annotations["expected"]
	result, err := status.Compute(object)
	if err != nil {
		return err
	}
	check(object.GetKind()+" "+object.GetName()+" by kstatus: "+expected, expected, result.Status.String())
	if object.GetKind() != "DefenderTenant" {
		return nil
	}
	expected = lenient(object, expected, annotations["acts"])
	result, err = tenants.Evaluate(context.Background(), object)
	if err != nil {
		return err
	}
	check(object.GetKind()+" "+object.GetName()+" by expression: "+expected, expected, result.Status.String())
	return nil
}

// lenient says what the expressions are for: a live token is enough, and the customer's turn isn't a failure.
func lenient(object *unstructured.Unstructured, strict, acts string) string {
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if observed != object.GetGeneration() {
		return "InProgress"
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, each := range conditions {
		condition, _ := each.(map[string]any)
		if condition["type"] == "Ready" && condition["status"] == "True" {
			return "Current"
		}
	}
	if strict == "Failed" && (acts == "Customer" || acts == "Nobody") {
		return "Current"
	}
	return strict
}

// expressions are those of the Kustomizations in a file, by kind, as kustomize-controller reads them.
func expressions(path string) (map[string]*cel.StatusEvaluator, error) {
	documents, err := read(path)
	if err != nil {
		return nil, err
	}
	found := map[string]*cel.StatusEvaluator{}
	for _, document := range documents {
		checks, _, err := unstructured.NestedSlice(document.Object, "spec", "healthCheckExprs")
		if err != nil {
			return nil, err
		}
		for _, each := range checks {
			var check kustomize.CustomHealthCheck
			fields, _ := each.(map[string]any)
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(fields, &check, true); err != nil {
				return nil, err
			}
			if check.APIVersion != "defendertenant.io/v1alpha1" {
				return nil, fmt.Errorf("apiVersion %s", check.APIVersion)
			}
			evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
			if err != nil {
				return nil, err
			}
			found[check.Kind] = evaluator
		}
	}
	return found, nil
}

// read takes the objects of a file; a list counts as its items.
func read(path string) ([]*unstructured.Unstructured, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !object.IsList() {
			objects = append(objects, object)
			continue
		}
		err = object.EachListItem(func(item runtime.Object) error {
			objects = append(objects, item.(*unstructured.Unstructured))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
}
