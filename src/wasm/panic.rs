//! A panic in wasm ends the instance: nobody may call it again. What can still be done is to say why.

use std::cell::RefCell;
use std::sync::Once;
use wasm_bindgen::JsValue;

type Report = Box<dyn Fn(&str)>;

thread_local! {
    static REPORT: RefCell<Option<Report>> = const { RefCell::new(None) };
}

static INSTALL: Once = Once::new();

/// From now on a panic is written to the console, and given to the report of the open database.
pub(crate) fn install() {
    INSTALL.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            former(info);
            let message = info.to_string();
            web_sys::console::error_1(&JsValue::from_str(&message));
            REPORT.with(|report| {
                if let Ok(report) = report.try_borrow()
                    && let Some(report) = report.as_ref()
                {
                    report(&message);
                }
            });
        }));
    });
}

/// Names whom to tell; `None`: nobody.
pub(crate) fn report_to(report: Option<Report>) {
    REPORT.with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut() {
            *slot = report;
        }
    });
}
