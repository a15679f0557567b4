//! `clouds.md`

use defender_tenant_operator::api::cloud::{Cloud, DefenderApi};
use defender_tenant_operator::core::roles;
use defender_tenant_operator::defender::hosts::{self, resource_id, resource_name};
use defender_tenant_operator::defender::probe;
use defender_tenant_operator::entra::clouds;

use crate::markdown::{code, head, table, wrap};

pub fn page() -> String {
    let mut text = head(
        "Clouds, APIs and regions",
        "Where Microsoft is met: a table that is compiled in. No resource can name a host, an audience or a URL. A \
         firewall must let the operator reach the login hosts, with `spec.probe` the API hosts too, on port 443; the \
         consumers need the API hosts. Which one to choose: [Clouds](../clouds.md).",
    );
    text += "\n## Clouds\n";
    let rows: Vec<_> = clouds::all()
        .map(|(cloud, login)| {
            [
                code(cloud.as_str()),
                meaning(cloud).to_owned(),
                code(login.0),
            ]
        })
        .collect();
    text += &table(["`spec.cloud`", "meaning", "login host"], &rows);
    text += "\n## APIs\n\nThe application id of the resource is the same in every cloud. It may stand in a token's `aud` \
             instead of the audience. With `spec.probe` the first call is made that the token's roles allow.\n";
    let rows: Vec<_> = DefenderApi::ALL.iter().map(|api| about(*api)).collect();
    text += &table(["`spec.api`", "resource", "application id", "probe"], &rows);
    text +=
        "\n## Audiences and front doors\n\nThe front door is what `api-url` in the Secret holds.\n";
    let rows: Vec<_> = hosts::front_doors()
        .map(|door| {
            [
                code(door.cloud.as_str()),
                code(door.api.as_str()),
                code(door.region.as_str()),
                code(door.audience.0),
                code(door.url.0),
            ]
        })
        .collect();
    text += &table(
        [
            "`spec.cloud`",
            "`spec.api`",
            "`spec.region`",
            "audience",
            "`api-url`",
        ],
        &rows,
    );
    text += "\n## Application roles\n\nThose that are known here. Another name in `spec.requiredRoles` is asked for all the \
             same, and an Event says that it isn't known.\n";
    for api in DefenderApi::ALL {
        let names: Vec<_> = roles::catalogue(*api)
            .iter()
            .map(|role| code(role))
            .collect();
        text += &format!("\n### {api}\n\n{}\n", wrap(&names.join(", ")));
    }
    text
}

fn about(api: DefenderApi) -> [String; 4] {
    let calls: Vec<_> = probe::checks(api)
        .iter()
        .map(|check| format!("{} with {}", code(check.path), code(check.role)))
        .collect();
    [
        code(api.as_str()),
        resource_name(api).to_owned(),
        code(resource_id(api)),
        calls.join(", "),
    ]
}

const fn meaning(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial => "worldwide",
        Cloud::Gcc => "US Government Community Cloud",
        Cloud::GccHigh => "US Government Community Cloud High",
        Cloud::DoD => "US Department of Defense",
    }
}
