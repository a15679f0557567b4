//! `clouds.md`

use defender_tenant_operator::api::cloud::Cloud;
use defender_tenant_operator::defender::hosts::{self, RESOURCE_ID};
use defender_tenant_operator::entra::clouds;

use crate::markdown::{code, head, table};

pub fn page() -> String {
    let mut text = head(
        "Clouds and regions",
        &format!(
            "Where Microsoft is met: a table that is compiled in. No resource can name a host, an audience or a URL. \
             A firewall must let the operator reach the login hosts, with `spec.probe` the API hosts too, on port 443; \
             the consumers need the API hosts.\n\nThe application id of the resource (WindowsDefenderATP), the same in \
             every cloud, is `{RESOURCE_ID}`: it may stand in a token's `aud` instead of the audience."
        ),
    );
    text += "\n## Clouds\n";
    let rows: Vec<_> = clouds::all()
        .map(|(cloud, login)| {
            [
                code(cloud.as_str()),
                meaning(cloud).to_owned(),
                code(login.0),
                code(hosts::audience(cloud).0),
            ]
        })
        .collect();
    text += &table(["`spec.cloud`", "meaning", "login host", "audience"], &rows);
    text += "\n## Regions\n\nWhat `api-url` in the Secret holds.\n";
    let rows: Vec<_> = hosts::all()
        .map(|door| {
            [
                code(door.cloud.as_str()),
                code(door.region.as_str()),
                code(door.url.0),
            ]
        })
        .collect();
    text += &table(["`spec.cloud`", "`spec.region`", "`api-url`"], &rows);
    text
}

const fn meaning(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial => "worldwide",
        Cloud::Gcc => "US Government Community Cloud",
        Cloud::GccHigh => "US Government Community Cloud High",
        Cloud::DoD => "US Department of Defense",
    }
}
