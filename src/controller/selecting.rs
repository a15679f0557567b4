//! Kubernetes' `shardSelector` on lists and watches: kube has no parameter for it.

use http::{Request, Uri};
use kube::Client;
use kube::client::Body;

use crate::entra::encode;

/// A client that adds this selector to whatever is asked. A server that doesn't know it answers as without.
pub fn selecting(client: &Client, selector: &str) -> Client {
    let mut query = "shardSelector=".to_owned();
    encode::push(&mut query, selector);
    let inner = client.clone();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        if let Some(uri) = with_query(request.uri(), &query) {
            *request.uri_mut() = uri;
        }
        let inner = inner.clone();
        async move { inner.send(request).await }
    });
    Client::new(service, client.default_namespace())
}

fn with_query(uri: &Uri, more: &str) -> Option<Uri> {
    let separator = if uri.query().is_some_and(|query| !query.is_empty()) {
        "&"
    } else {
        "?"
    };
    let path = uri.path_and_query()?.as_str().trim_end_matches('?');
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{separator}{more}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use http::Response;
    use kube::Api;
    use kube::api::{ListParams, WatchParams};
    use tower_test::mock;

    use super::*;
    use crate::controller::objects::TenantObject;
    use crate::core::shards::Buckets;

    #[tokio::test]
    async fn the_selector_is_added_to_lists_and_watches_and_the_rest_stays() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "soc");
        let selector = Buckets::of(1, 2).shard_selector();
        let api: Api<TenantObject> = Api::all(selecting(&client, &selector));
        let expected = "shardSelector=shardRange%28object.metadata.uid%2C%20%270x8000000000000000%27%2C%20%270x10000000000000000%27%29";
        let listing = api.clone();
        let list = tokio::spawn(async move { listing.list(&ListParams::default().limit(5)).await });
        let (request, _) = server.next_request().await.expect("a request");
        assert_eq!(
            request.uri().path(),
            "/apis/defendertenant.io/v1alpha1/defendertenants"
        );
        let query = request.uri().query().unwrap_or_default();
        assert!(query.contains("limit=5&"), "{query}");
        assert!(query.ends_with(expected), "{query}");
        list.abort();
        let watch =
            tokio::spawn(async move { api.watch(&WatchParams::default(), "7").await.map(drop) });
        let (request, _) = server.next_request().await.expect("a request");
        let query = request.uri().query().unwrap_or_default();
        assert!(
            query.contains("watch=true") && query.ends_with(expected),
            "{query}"
        );
        watch.abort();
    }
}
