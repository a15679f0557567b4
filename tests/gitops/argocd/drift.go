package main

import (
	"fmt"
	"path/filepath"

	"github.com/argoproj/gitops-engine/pkg/diff"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// drift compares manifests with what the API server stores of them: the CRDs' defaults must not look like changes.
func drift(root string) error {
	schemas, err := structural(root)
	if err != nil {
		return err
	}
	manifests, err := filepath.Glob(filepath.Join(root, "docs/examples/*.yaml"))
	if err != nil {
		return err
	}
	defaulted := 0
	for _, path := range append(manifests, filepath.Join(root, "tests/gitops/argocd/sparse.yaml")) {
		documents, err := read(path)
		if err != nil {
			return err
		}
		for _, document := range documents {
			schema, ours := schemas[document.GetKind()]
			if !ours {
				continue
			}
			for _, how := range []string{"applied by a client", "adopted"} {
				live := document.DeepCopy()
				if how == "applied by a client" {
					if err := remember(live); err != nil {
						return err
					}
				}
				defaulting.Default(live.Object, schema)
				if grants, _, _ := unstructured.NestedSlice(live.Object, "spec", "grants"); len(grants) > 0 {
					before, _, _ := unstructured.NestedSlice(document.Object, "spec", "grants")
					if len(grants[0].(map[string]any)) > len(before[0].(map[string]any)) {
						defaulted++
					}
				}
				what := fmt.Sprintf("%s %s of %s, %s", document.GetKind(), document.GetName(), filepath.Base(path), how)
				result, err := diff.Diff(document, live, diff.WithNormalizer(statusless{}))
				if err != nil {
					return fmt.Errorf("%s: %w", what, err)
				}
				check(what+", is in sync", "true", fmt.Sprint(!result.Modified))
				changed := live.DeepCopy()
				if err := unstructured.SetNestedField(changed.Object, true, "spec", "suspend"); err != nil {
					return err
				}
				result, err = diff.Diff(withSuspend(document), changed, diff.WithNormalizer(statusless{}))
				if err != nil {
					return fmt.Errorf("%s: %w", what, err)
				}
				check(what+", and changed by hand, is out of sync", "true", fmt.Sprint(result.Modified))
			}
		}
	}
	if defaulted == 0 {
		return fmt.Errorf("no manifest got a default in a list")
	}
	return nil
}

// withSuspend is the manifest with a field that somebody changed in the cluster.
func withSuspend(document *unstructured.Unstructured) *unstructured.Unstructured {
	document = document.DeepCopy()
	_ = unstructured.SetNestedField(document.Object, false, "spec", "suspend")
	return document
}

// statusless leaves the status out, as Argo CD does unless it is told otherwise.
type statusless struct{}

func (statusless) Normalize(object *unstructured.Unstructured) error {
	unstructured.RemoveNestedField(object.Object, "status")
	return nil
}

func remember(object *unstructured.Unstructured) error {
	bytes, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[corev1.LastAppliedConfigAnnotation] = string(bytes)
	object.SetAnnotations(annotations)
	return nil
}

// structural is the schema of each kind.
func structural(root string) (map[string]*schema.Structural, error) {
	paths, err := filepath.Glob(filepath.Join(root, "crds/*.yaml"))
	if err != nil {
		return nil, err
	}
	schemas := map[string]*schema.Structural{}
	for _, path := range paths {
		documents, err := read(path)
		if err != nil {
			return nil, err
		}
		for _, document := range documents {
			var crd apiextensionsv1.CustomResourceDefinition
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(document.Object, &crd); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			for _, version := range crd.Spec.Versions {
				var internal apiextensions.JSONSchemaProps
				err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &internal, nil)
				if err != nil {
					return nil, err
				}
				if schemas[crd.Spec.Names.Kind], err = schema.NewStructural(&internal); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(schemas) != 2 {
		return nil, fmt.Errorf("%d kinds in crds/", len(schemas))
	}
	return schemas, nil
}
