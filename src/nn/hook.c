#include "nn/hook.h"

pc_tensor *pc_hooks_before_layer(const pc_hooks *hooks, const pc_build *build, int layer, pc_tensor *hidden)
{
    for (int i = 0; hooks && i < hooks->count; i++) {
        if (hooks->items[i].before_layer) {
            hidden = hooks->items[i].before_layer(hooks->items[i].user, build, layer, hidden);
        }
    }
    return hidden;
}

pc_tensor *pc_hooks_after_attention(const pc_hooks *hooks, const pc_build *build, int layer, pc_tensor *hidden)
{
    for (int i = 0; hooks && i < hooks->count; i++) {
        if (hooks->items[i].after_attention) {
            hidden = hooks->items[i].after_attention(hooks->items[i].user, build, layer, hidden);
        }
    }
    return hidden;
}

pc_tensor *pc_hooks_after_source(const pc_hooks *hooks, const pc_build *build, pc_tensor *rows, pc_tensor *hidden)
{
    for (int i = 0; hooks && i < hooks->count; i++) {
        const pc_hook *hook = &hooks->items[i];
        hidden = hook->after_source ? hook->after_source(hook->user, build, rows, hidden) : hidden;
    }
    return hidden;
}

pc_tensor *pc_hooks_project(const pc_hooks *hooks, const pc_build *build, int layer, pc_projection which,
                            const pc_linear_weights *weights, pc_tensor *x, pc_tensor *residual)
{
    for (int i = hooks ? hooks->count - 1 : -1; i >= 0; i--) {
        const pc_hook *hook = &hooks->items[i];
        if (hook->project) {
            return hook->project(hook->user, build, layer, which, weights, x, residual);
        }
    }
    return pc_linear_forward(build, weights, x, residual);
}
