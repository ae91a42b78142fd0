//! The documents: they exist, and what they point at exists.

use crate::assert_none;
use crate::files::{all, root};

const DOCUMENTS: [&str; 8] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "src/protocol/PROTOCOL.md", "src/store/FORMAT.md"];

#[test]
fn every_document_is_there() {
    let missing = DOCUMENTS.into_iter().filter(|path| std::fs::read_to_string(root().join(path)).map_or(true, |text| text.trim().is_empty()));
    assert_none("a document is missing or empty", missing.map(str::to_owned).collect());
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for file in all().into_iter().filter(|file| file.path.ends_with(".md")) {
        let folder = root().join(&file.path).parent().unwrap().to_owned();
        let targets = file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let relative = targets.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:"));
        let missing = relative.filter(|target| !folder.join(target.split('#').next().unwrap()).exists());
        broken.extend(missing.map(|target| format!("{}: {target}", file.path)));
    }
    assert_none("a link leads nowhere", broken);
}

/// Commands in documents rot quietly: each `npm run` that they name is a script of package.json.
#[test]
fn every_command_in_a_document_exists() {
    let package: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(root().join("package.json")).unwrap()).unwrap();
    let scripts = package["scripts"].as_object().unwrap();
    let mut unknown = Vec::new();
    for file in all().into_iter().filter(|file| file.path.ends_with(".md")) {
        let named = file.text.split("npm run ").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != ':' && c != '-').next());
        unknown.extend(named.filter(|name| !name.is_empty() && !scripts.contains_key(*name)).map(|name| format!("{}: npm run {name}", file.path)));
    }
    assert_none("a command does not exist", unknown);
}
